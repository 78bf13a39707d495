// How webhooks (of admission and of CustomResourceDefinitions) are reached.
// Follows kubernetes v1.36 apiserver/pkg/util/webhook/validation.go.
import { X509Certificate } from "node:crypto";
import { invalidValue, path, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors, portNumberErrors } from "../../machinery/names.ts";
import { all, complaints, type Errors, fields } from "../checks.ts";

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
  const { protocol, host, username, password, hash, search } = new URL(text);
  const user = "user information is not permitted in the URL";
  return all(
    protocol !== "https:" && invalidValue(at, protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`),
    !host && invalidValue(at, host, `host must be specified${form}`),
    (username || password) && invalidValue(at, `${username}:***`, user),
    hash && invalidValue(at, hash.slice(1), "fragments are not permitted in the URL"),
    search && invalidValue(at, search.slice(1), "query parameters are not permitted in the URL"),
  );
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
  return all(
    caBundleErrors(caBundle, path(at, "caBundle")),
    url !== undefined && urlErrors(url, path(at, "url")),
    service && serviceErrors(service, path(at, "service")),
  );
}

const serviceErrors = (service: NonNullable<ClientConfig["service"]>, at: string): Errors =>
  fields(at, service, {
    name: (field, name) => !name && required(field, "service name is required"),
    namespace: (field, namespace) => !namespace && required(field, "service namespace is required"),
    path: (field, text) => text !== undefined && servicePathErrors(text, field),
    port: (field, port = 443) => {
      const texts = portNumberErrors(port).map((why) => `port is not valid: ${why}`);
      return complaints(field, port, texts);
    },
  });
