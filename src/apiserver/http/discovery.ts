// Which groups, versions and resources there are, in the old form (a document per group version) and the aggregated one.
// Derived from the kinds and from what other servers said of theirs; rebuilt when they change. Follows kubernetes v1.36 apidiscovery/v2 and meta/v1 APIResourceList.
import { createHash } from "node:crypto";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import type { Aggregation } from "../aggregation/aggregation.ts";
import { prioritiesOf, type Priorities } from "../aggregation/local.ts";
import type { Remote, RemoteResource } from "../aggregation/remotes.ts";
import { jsonType, typedResponse, type EdgeRequest, type EdgeResponse } from "./exchange.ts";
import { parseAccept, prefersProtobuf } from "./negotiate.ts";

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface SubresourceRow {
  readonly name: string;
  readonly kind: GroupVersionKind;
  readonly verbs: readonly string[];
}

/** One resource as discovery shows it: a kind, or an API that is computed and not stored. */
export interface ResourceRow extends GroupVersionKind {
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Changes when objects of the kind are stored in another version. */
  readonly storageVersionHash?: string;
  readonly subresources: readonly SubresourceRow[];
}

const own = Symbol("the kind itself");
const changeVerbs = ["get", "patch", "update"];
const proxyVerbs = ["create", "delete", "get", "patch", "update"];
const streamVerbs = ["create", "get"];
const core = (kind: string): GroupVersionKind => ({ group: "", version: "v1", kind });

/** What upstream answers under a special subresource; a name alone, or with its resource where the name is shared. */
const subresourceRows: Readonly<Record<string, { kind: GroupVersionKind | typeof own; verbs: readonly string[] }>> = {
  binding: { kind: core("Binding"), verbs: ["create"] },
  eviction: { kind: { group: "policy", version: "v1", kind: "Eviction" }, verbs: ["create"] },
  log: { kind: own, verbs: ["get"] },
  exec: { kind: core("PodExecOptions"), verbs: streamVerbs },
  attach: { kind: core("PodAttachOptions"), verbs: streamVerbs },
  portforward: { kind: core("PodPortForwardOptions"), verbs: streamVerbs },
  "pods/proxy": { kind: core("PodProxyOptions"), verbs: proxyVerbs },
  "services/proxy": { kind: core("ServiceProxyOptions"), verbs: proxyVerbs },
  "nodes/proxy": { kind: core("NodeProxyOptions"), verbs: proxyVerbs },
  ephemeralcontainers: { kind: own, verbs: changeVerbs },
  resize: { kind: own, verbs: changeVerbs },
  approval: { kind: own, verbs: changeVerbs },
  finalize: { kind: own, verbs: ["update"] },
  token: { kind: { group: "authentication.k8s.io", version: "v1", kind: "TokenRequest" }, verbs: ["create"] },
};

/** As upstream makes it: eight bytes of a digest of the type that is stored. */
function storageVersionHash({ virtual, storage, kind, ...own }: AnyKind): string | undefined {
  if (virtual) return undefined;
  const { group, version } = { ...own, ...storage };
  return createHash("sha256").update(`${group}/${version}/${kind}`).digest().toString("base64", 0, 8);
}

/** Below a resource, by name. */
export function subresourcesOf(kind: AnyKind): SubresourceRow[] {
  const self = { group: kind.group, version: kind.version, kind: kind.kind };
  const { status, scale, special = [] } = kind.subresources ?? {};
  const subresources: SubresourceRow[] = special.map((name) => {
    const row = subresourceRows[`${kind.plural}/${name}`] ?? subresourceRows[name];
    const answers = row === undefined || row.kind === own ? self : row.kind;
    return { name, kind: answers, verbs: row?.verbs ?? changeVerbs };
  });
  if (status) subresources.push({ name: "status", kind: self, verbs: changeVerbs });
  if (scale) {
    subresources.push({
      name: "scale",
      kind: { group: "autoscaling", version: "v1", kind: "Scale" },
      verbs: changeVerbs,
    });
  }
  return subresources.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The resource row of a kind. */
function rowOf(kind: AnyKind): ResourceRow {
  return {
    group: kind.group,
    version: kind.version,
    kind: kind.kind,
    plural: kind.plural,
    singular: kind.singular,
    namespaced: kind.namespaced,
    verbs: kind.verbs,
    ...(kind.shortNames ? { shortNames: kind.shortNames } : {}),
    ...(kind.categories ? { categories: kind.categories } : {}),
    storageVersionHash: storageVersionHash(kind),
    subresources: subresourcesOf(kind),
  };
}

/** Newest stable version first: v2, v1, v2beta1, v1beta1, v1alpha1, then anything else by name. */
export function compareVersions(a: string, b: string): number {
  const rank = (version: string): [number, number, number] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
    if (!match) return [-1, 0, 0];
    return [match[2] === undefined ? 2 : match[2] === "beta" ? 1 : 0, Number(match[1]), Number(match[3] ?? 0)];
  };
  const [x, y] = [rank(a), rank(b)];
  return y[0] - x[0] || y[1] - x[1] || y[2] - x[2] || (a < b ? -1 : a > b ? 1 : 0);
}

interface Version extends Priorities {
  readonly version: string;
  readonly rows: readonly ResourceRow[];
  /** Set when another server answers; `rows` is empty then. */
  readonly remote?: Remote;
}

interface Group {
  readonly name: string;
  /** Preferred first. */
  readonly versions: readonly Version[];
}

/** By the priorities of APIServices, the most important first; groups of the same priority by name. */
function groupsOf(rows: readonly ResourceRow[], aggregation: Aggregation | undefined): Group[] {
  const groups = new Map<string, Map<string, Version>>();
  const versionOf = (group: string, version: string, remote?: Remote): Version => {
    const versions = groups.get(group) ?? new Map<string, Version>();
    groups.set(group, versions);
    const known = versions.get(version);
    if (known && !remote) return known;
    const priorities = (aggregation?.prioritiesOf ?? prioritiesOf)(group, version);
    const made = { version, rows: [], ...pick(priorities), ...(remote ? { remote } : {}) };
    versions.set(version, made);
    return made;
  };
  for (const row of rows) (versionOf(row.group, row.version).rows as ResourceRow[]).push(row);
  for (const remote of aggregation?.remotes() ?? []) versionOf(remote.group, remote.version, remote);
  const highest = ({ versions }: Group) =>
    Math.max(...versions.map(({ groupPriorityMinimum }) => groupPriorityMinimum));
  return [...groups]
    .map(([name, versions]) => ({
      name,
      versions: [...versions.values()]
        .toSorted((a, b) => b.versionPriority - a.versionPriority || compareVersions(a.version, b.version))
        .map((version) => ({ ...version, rows: version.rows.toSorted((a, b) => (a.plural < b.plural ? -1 : 1)) })),
    }))
    .toSorted((a, b) => highest(b) - highest(a) || (a.name < b.name ? -1 : 1));
}

const pick = ({ groupPriorityMinimum, versionPriority }: Priorities) => ({ groupPriorityMinimum, versionPriority });

const groupVersionOf = ({ group, version }: { group: string; version: string }) =>
  group ? `${group}/${version}` : version;

function resourceList(group: string, version: string, rows: readonly ResourceRow[]) {
  const resources = rows.flatMap((row) => [
    {
      name: row.plural,
      singularName: row.singular,
      namespaced: row.namespaced,
      kind: row.kind,
      verbs: row.verbs,
      ...(row.shortNames ? { shortNames: row.shortNames } : {}),
      ...(row.categories ? { categories: row.categories } : {}),
      ...(row.storageVersionHash ? { storageVersionHash: row.storageVersionHash } : {}),
    },
    ...row.subresources.map((sub) => ({
      name: `${row.plural}/${sub.name}`,
      singularName: "",
      namespaced: row.namespaced,
      ...(groupVersionOf(sub.kind) === groupVersionOf(row) ? {} : { group: sub.kind.group, version: sub.kind.version }),
      kind: sub.kind.kind,
      verbs: sub.verbs,
    })),
  ]);
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion: groupVersionOf({ group, version }), resources };
}

function groupDocument({ name, versions }: Group): object {
  const list = versions.map(({ version }) => ({ groupVersion: `${name}/${version}`, version }));
  return { name, versions: list, preferredVersion: list[0] };
}

const aggregatedResource = (row: ResourceRow) => ({
  resource: row.plural,
  responseKind: { group: row.group, version: row.version, kind: row.kind },
  scope: row.namespaced ? "Namespaced" : "Cluster",
  singularResource: row.singular,
  verbs: row.verbs,
  ...(row.shortNames ? { shortNames: row.shortNames } : {}),
  ...(row.categories ? { categories: row.categories } : {}),
  ...(row.subresources.length > 0
    ? {
        subresources: row.subresources.map((sub) => ({
          subresource: sub.name,
          responseKind: sub.kind,
          verbs: sub.verbs,
        })),
      }
    : {}),
});

/** The rows of an APIResourceList, where subresources stand beside their resources. */
function rowsOfList({ group, version, resources }: Remote): ResourceRow[] {
  const kindOf = (row: RemoteResource) => ({
    group: (row.group as string) || group,
    version: (row.version as string) || version,
    kind: row.kind,
  });
  const verbsOf = ({ verbs }: RemoteResource) => (verbs ?? []) as string[];
  return resources
    .filter(({ name }) => !name.includes("/"))
    .map((row) => ({
      ...kindOf(row),
      plural: row.name,
      singular: (row.singularName as string) ?? "",
      namespaced: row.namespaced === true,
      verbs: verbsOf(row),
      ...(row.shortNames ? { shortNames: row.shortNames as string[] } : {}),
      ...(row.categories ? { categories: row.categories as string[] } : {}),
      subresources: resources
        .filter(({ name }) => name.startsWith(`${row.name}/`))
        .map((sub) => ({ name: sub.name.slice(row.name.length + 1), kind: kindOf(sub), verbs: verbsOf(sub) })),
    }));
}

const aggregated = (groups: readonly Group[], version: string): unknown => ({
  kind: "APIGroupDiscoveryList",
  apiVersion: `apidiscovery.k8s.io/${version}`,
  metadata: {},
  items: groups.map((group) => ({
    metadata: { name: group.name },
    versions: group.versions.map(({ version: name, rows, remote }) => ({
      version: name,
      resources: (remote ? rowsOfList(remote) : rows).map(aggregatedResource),
      freshness: remote && !remote.available ? "Stale" : "Current",
    })),
  })),
});

export interface Discovery {
  /** The discovery document under this path, undefined when the path is none. */
  answer(request: Pick<EdgeRequest, "path" | "headers">): EdgeResponse | undefined;
  /** Whether anything is served under the group and version. */
  serves(group: string, version: string): boolean;
}

interface Documents {
  readonly generation: string;
  readonly groups: readonly Group[];
  readonly responses: Map<string, EdgeResponse>;
}

/** `computed` are resources that no kind stands for. Documents are made when first asked for. */
export function createDiscovery(
  kinds: KindRegistry,
  computed: readonly ResourceRow[],
  aggregation?: Aggregation,
): Discovery {
  let documents: Documents | undefined;
  const current = (): Documents => {
    const generation = `${kinds.generation} ${aggregation?.generation ?? 0}`;
    if (documents?.generation !== generation) {
      const groups = groupsOf([...kinds.all().map(rowOf), ...computed], aggregation);
      documents = { generation, groups, responses: new Map() };
    }
    return documents;
  };
  const cached = (document: string, accept: string | undefined, make: () => EdgeResponse): EdgeResponse => {
    const { responses } = current();
    const key = prefersProtobuf(accept) ? `${document} protobuf` : document;
    let response = responses.get(key);
    if (!response) responses.set(key, (response = make()));
    return response;
  };
  const root = (path: "/api" | "/apis", accept: string | undefined): EdgeResponse => {
    const version = aggregatedVersion(accept);
    return cached(`${path} ${version ?? ""}`, accept, () => {
      const groups = current().groups.filter(({ name }) => (path === "/api") === (name === ""));
      if (version)
        return tagged(
          aggregated(groups, version),
          `${jsonType};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
        );
      const document =
        path === "/apis"
          ? { kind: "APIGroupList", apiVersion: "v1", groups: groups.map(groupDocument) }
          : { kind: "APIVersions", apiVersion: "v1", versions: ["v1"], serverAddressByClientCIDRs: [] };
      return typedResponse(document, 200, accept);
    });
  };
  return {
    answer({ path, headers }) {
      const parts = path.replace(/\/$/, "").split("/").slice(1);
      if (parts.length === 1 && (parts[0] === "api" || parts[0] === "apis")) {
        return conditional(root(`/${parts[0]}`, headers.accept), headers["if-none-match"]);
      }
      if (parts[0] === "api" && parts.length === 2) return version("", parts[1]!, headers.accept);
      if (parts[0] !== "apis") return undefined;
      if (parts.length === 3) return version(parts[1]!, parts[2]!, headers.accept);
      if (parts.length !== 2 || !parts[1]) return undefined;
      const group = current().groups.find(({ name }) => name === parts[1]);
      return (
        group && typedResponse({ kind: "APIGroup", apiVersion: "v1", ...groupDocument(group) }, 200, headers.accept)
      );
    },
    serves: (group, version) => versionOf(group, version) !== undefined,
  };
  function versionOf(group: string, version: string): Version | undefined {
    return current()
      .groups.find(({ name }) => name === group)
      ?.versions.find((candidate) => candidate.version === version);
  }
  function version(group: string, name: string, accept: string | undefined): EdgeResponse | undefined {
    const rows = versionOf(group, name)?.rows;
    return (
      rows && cached(`${group}/${name}`, accept, () => typedResponse(resourceList(group, name, rows), 200, accept))
    );
  }
}

/** v2 or v2beta1 when the client prefers the aggregated document over the plain one. */
function aggregatedVersion(accept: string | undefined): string | undefined {
  for (const { type, parameters } of parseAccept(accept)) {
    if (type !== jsonType) continue;
    if (parameters.as === undefined) return undefined;
    const { as, g, v } = parameters;
    if (as === "APIGroupDiscoveryList" && g === "apidiscovery.k8s.io" && (v === "v2" || v === "v2beta1")) return v;
  }
  return undefined;
}

function tagged(document: unknown, contentType: string): EdgeResponse {
  const body = Buffer.from(JSON.stringify(document));
  const etag = `"${createHash("sha256").update(body).digest("hex").toUpperCase()}"`;
  return {
    status: 200,
    headers: { "content-type": contentType, etag, vary: "Accept", "cache-control": "public" },
    body,
    compressible: true,
  };
}

function conditional(response: EdgeResponse, known: string | undefined): EdgeResponse {
  const { etag } = response.headers;
  return etag !== undefined && etag === known ? { status: 304, headers: { etag, vary: "Accept" } } : response;
}
