// How webhooks (of admission and of CustomResourceDefinitions) are reached.
// Follows kubernetes v1.36 apiserver/pkg/util/webhook/validation.go.
import { X509Certificate } from "node:crypto";
import { invalidValue, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors, portNumberErrors } from "../../machinery/names.ts";
import { complaints, type Errors } from "../checks.ts";

interface ClientConfig {
  readonly url?: string;
  readonly caBundle?: string;
  readonly service?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly path?: string;
    readonly port?: number;
  };
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/** Base64 of PEM certificates, at least one. */
function caBundleErrors(bundle: string | undefined, at: string): Errors {
  if (!bundle) return [];
  const pems = Buffer.from(bundle, "base64").toString("latin1").match(pemCertificate) ?? [];
  const text = "unable to load root certificates: unable to parse bytes as PEM block";
  try {
    for (const pem of pems) void new X509Certificate(pem);
    return pems.length > 0 ? [] : [invalidValue(at, bundle, text)];
  } catch (error) {
    return [invalidValue(at, bundle, `unable to load root certificates: ${(error as Error).message}`)];
  }
}

function urlErrors(text: string, at: string): Errors {
  const form = "; desired format: https://host[/path]";
  if (!URL.canParse(text))
    return [required(at, `url must be a valid URL: ${JSON.stringify(text)} cannot be parsed${form}`)];
  const url = new URL(text);
  const errors: Errors = [];
  if (url.protocol !== "https:") {
    errors.push(invalidValue(at, url.protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`));
  }
  if (!url.host) errors.push(invalidValue(at, url.host, `host must be specified${form}`));
  if (url.username || url.password) {
    errors.push(invalidValue(at, `${url.username}:***`, "user information is not permitted in the URL"));
  }
  if (url.hash) errors.push(invalidValue(at, url.hash.slice(1), "fragments are not permitted in the URL"));
  if (url.search) errors.push(invalidValue(at, url.search.slice(1), "query parameters are not permitted in the URL"));
  return errors;
}

function servicePathErrors(text: string, at: string): Errors {
  if (text === "" || text === "/") return [];
  if (!text.startsWith("/")) return [invalidValue(at, text, "must start with a '/'")];
  const segments = (text.endsWith("/") ? text.slice(1, -1) : text.slice(1)).split("/");
  return segments.flatMap((segment, i) =>
    segment === ""
      ? [invalidValue(at, text, `segment[${i}] may not be empty`)]
      : complaints(
          at,
          text,
          dnsSubdomainErrors(segment.toLowerCase()).map((why) => `segment[${i}]: ${why}`),
        ),
  );
}

export function clientConfigErrors(config: ClientConfig | undefined, at: string): Errors {
  const { url, service, caBundle } = config ?? {};
  if ((url === undefined) === (service === undefined)) {
    return [required(at, "exactly one of url or service is required")];
  }
  const errors = caBundleErrors(caBundle, path(at, "caBundle"));
  if (url !== undefined) return [...errors, ...urlErrors(url, path(at, "url"))];
  const here = path(at, "service");
  if (!service!.name) errors.push(required(path(here, "name"), "service name is required"));
  if (!service!.namespace) errors.push(required(path(here, "namespace"), "service namespace is required"));
  if (service!.path !== undefined) errors.push(...servicePathErrors(service!.path, path(here, "path")));
  const port = service!.port ?? 443;
  return [
    ...errors,
    ...complaints(
      path(here, "port"),
      port,
      portNumberErrors(port).map((why) => `port is not valid: ${why}`),
    ),
  ];
}
