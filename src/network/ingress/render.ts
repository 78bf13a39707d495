// Ingresses → HAProxy configuration, maps and certificates. Pure. A request finds its backend through three maps: the host's
// group (exact host, wildcard, or any), then group and path exactly, then group and the longest prefix by path element.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import type { Secret, Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Ingress, IngressBackend } from "../../kinds/generated/networking.v1.ts";
import { type Backend, type Place, selectBackends } from "../proxy/endpoints.ts";

/** What the Ingresses refer to. */
export interface IngressView {
  service(namespace: string, name: string): Service | undefined;
  slices(namespace: string, service: string): readonly EndpointSlice[];
  secret(namespace: string, name: string): Secret | undefined;
}

export interface BackendPlan {
  /** `namespace:service:port`, the name in HAProxy. */
  readonly name: string;
  readonly servers: readonly Backend[];
  /** Further lines of the backend's section. */
  readonly lines: readonly string[];
  /** Options on each of its servers. */
  readonly serverOptions: string;
}

export interface Problem {
  readonly ingress: Ingress;
  readonly reason: string;
  readonly message: string;
}

export interface IngressPlan {
  readonly backends: readonly BackendPlan[];
  /** Where requests go that no rule wants. */
  readonly defaultBackend: string | undefined;
  /** Relative path → content. */
  readonly files: ReadonlyMap<string, string>;
  readonly problems: readonly Problem[];
}

export const mapFiles = { hosts: "hosts.map", exact: "exact.map", prefix: "prefix.map" } as const;
export const certificateList = "certificates.list";
export const defaultCertificate = "default.pem";
/** A line of a map is a key, white space and a backend; HAProxy reads up to some 16 KB as one line. */
const unmappable = /[\0-\x20\x7f]|^.{4096}/s;
/** Any host. */
const anyHost = "*";

/** Oldest first: where two Ingresses claim the same path, the older one keeps it. */
const byAge = (a: Ingress, b: Ingress) => (ageOf(a) < ageOf(b) ? -1 : 1);
const ageOf = ({ metadata }: Ingress) => `${metadata.creationTimestamp} ${metadata.namespace}/${metadata.name}`;

/** The plan for the Ingresses given; those of other classes must have been left out. */
export function planIngress(
  ingresses: readonly Ingress[],
  view: IngressView,
  place: Place,
  directory: string,
): IngressPlan {
  const planner = new Planner(view, place, directory);
  const sorted = ingresses.toSorted(byAge);
  for (const ingress of sorted) planner.addRules(ingress);
  for (const ingress of sorted) planner.addDefault(ingress);
  for (const ingress of sorted) planner.addCertificates(ingress);
  return planner.finish();
}

class Planner {
  readonly #view: IngressView;
  readonly #place: Place;
  readonly #directory: string;
  readonly #backends = new Map<string, BackendPlan>();
  readonly #hosts = new Set<string>();
  readonly #exact = new Map<string, string>();
  readonly #prefix = new Map<string, string>();
  readonly #certificates = new Map<string, string>();
  readonly #certificateHosts = new Map<string, Set<string>>();
  readonly #problems: Problem[] = [];
  #default: string | undefined;

  constructor(view: IngressView, place: Place, directory: string) {
    this.#view = view;
    this.#place = place;
    this.#directory = directory;
  }

  addRules(ingress: Ingress): void {
    for (const { host, http } of ingress.spec?.rules ?? []) {
      const group = (host || anyHost).toLowerCase();
      this.#hosts.add(group);
      for (const { path = "/", pathType, backend } of http?.paths ?? []) {
        const name = this.#backend(ingress, backend);
        if (name === undefined) continue;
        const [map, key] =
          pathType === "Exact"
            ? ([this.#exact, `${group}#${path}`] as const)
            : ([this.#prefix, `${group}#${path.replace(/\/*$/, "/")}`] as const);
        if (unmappable.test(key)) this.#problem(ingress, "InvalidPath", "its path is too long or contains white space");
        else if (!map.has(key)) map.set(key, name);
      }
    }
  }

  /** The default backend takes what the Ingress's own hosts leave over; the oldest also takes all unknown hosts. */
  addDefault(ingress: Ingress): void {
    const backend = ingress.spec?.defaultBackend;
    const name = backend && this.#backend(ingress, backend);
    if (name === undefined) return;
    this.#default ??= name;
    for (const { host } of ingress.spec?.rules ?? []) {
      const key = `${(host || anyHost).toLowerCase()}#/`;
      if (!this.#prefix.has(key)) this.#prefix.set(key, name);
    }
  }

  addCertificates(ingress: Ingress): void {
    const namespace = ingress.metadata.namespace ?? "";
    for (const { secretName, hosts = [] } of ingress.spec?.tls ?? []) {
      if (!secretName) continue;
      const file = `certificates/${namespace}:${secretName}.pem`;
      if (!this.#certificates.has(file)) {
        const pem = certificateIn(this.#view.secret(namespace, secretName));
        if (typeof pem !== "string") {
          this.#problem(ingress, "InvalidCertificate", `Secret ${secretName}: ${pem.problem}`);
          continue;
        }
        this.#certificates.set(file, pem);
        this.#certificateHosts.set(file, new Set());
      }
      for (const host of hosts) this.#certificateHosts.get(file)!.add(host.toLowerCase());
    }
  }

  finish(): IngressPlan {
    const path = (file: string) => `${this.#directory}/${file}`;
    const lines = (map: ReadonlyMap<string, string>) => [...map].map(([key, value]) => `${key} ${value}\n`).join("");
    // The first entry of the list is what clients get that name no host we have a certificate for.
    const list = [path(defaultCertificate)];
    for (const [file, hosts] of this.#certificateHosts) list.push([path(file), ...hosts].join(" "));
    const hosts = [...this.#hosts].filter((host) => host !== anyHost).map((host) => `${host} ${host}\n`);
    return {
      backends: [...this.#backends.values()],
      defaultBackend: this.#default,
      files: new Map([
        ...this.#certificates,
        [certificateList, `${list.join("\n")}\n`],
        [mapFiles.hosts, hosts.join("")],
        [mapFiles.exact, lines(this.#exact)],
        [mapFiles.prefix, lines(this.#prefix)],
      ]),
      problems: this.#problems,
    };
  }

  #problem(ingress: Ingress, reason: string, message: string): void {
    this.#problems.push({ ingress, reason, message });
  }

  /** Name of the backend's section, made when it is the first reference to it; undefined when there can be none. */
  #backend(ingress: Ingress, { service: reference, resource }: IngressBackend): string | undefined {
    if (!reference) {
      this.#problem(ingress, "UnsupportedBackend", `backend ${resource?.kind ?? ""}: only Services are supported`);
      return undefined;
    }
    const namespace = ingress.metadata.namespace ?? "";
    const wanted = reference.port?.name ?? reference.port?.number;
    const name = `${namespace}:${reference.name}:${wanted ?? ""}`;
    if (this.#backends.has(name)) return name;
    const service = this.#view.service(namespace, reference.name);
    const port = service?.spec?.ports?.find((p) => p.name === wanted || p.port === wanted);
    if (!service) this.#problem(ingress, "ServiceNotFound", `Service ${reference.name} does not exist`);
    else if (service.spec?.type === "ExternalName")
      this.#problem(ingress, "UnsupportedBackend", `Service ${reference.name} is of type ExternalName`);
    else if (!port) this.#problem(ingress, "PortNotFound", `Service ${reference.name} has no port ${wanted}`);
    const servers = port ? selectBackends(this.#view.slices(namespace, reference.name), port, this.#place).cluster : [];
    const sticky = service?.spec?.sessionAffinity === "ClientIP";
    this.#backends.set(name, {
      name,
      servers,
      lines: sticky ? ["balance source", "hash-type consistent"] : ["balance roundrobin"],
      serverOptions: protocolOptions(port?.appProtocol),
    });
    return name;
  }
}

function protocolOptions(appProtocol: string | undefined): string {
  if (appProtocol === "kubernetes.io/h2c") return " proto h2";
  return appProtocol?.toLowerCase() === "https" ? " ssl verify none" : "";
}

type Certificate = string | { readonly problem: string };
const certificates = new WeakMap<Secret, Certificate>();

function certificateIn(secret: Secret | undefined): Certificate {
  if (!secret) return { problem: "does not exist" };
  let known = certificates.get(secret);
  if (known === undefined) certificates.set(secret, (known = readCertificate(secret)));
  return known;
}

/** Certificate chain and key as HAProxy reads them, or what is wrong: one bad file would keep HAProxy from starting. */
function readCertificate({ data }: Secret): Certificate {
  const text = (name: string) =>
    Buffer.from(data?.[name] ?? "", "base64")
      .toString("utf8")
      .trim();
  const [chain, keyText] = [text("tls.crt"), text("tls.key")];
  if (!chain || !keyText) return { problem: "has no tls.crt and tls.key" };
  try {
    const privateKey = createPrivateKey(keyText);
    if (!new X509Certificate(chain).checkPrivateKey(privateKey))
      return { problem: "tls.key does not belong to tls.crt" };
    // Whatever else the texts hold is left out, so that what is checked is what HAProxy gets.
    const cert = chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)?.join("\n") ?? "";
    const key = privateKey.export({ type: "pkcs8", format: "pem" });
    createSecureContext({ cert, key });
    return `${cert}\n${key}`;
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error) };
  }
}
