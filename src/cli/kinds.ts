// The kinds that a person can name: the built-in ones, and those that the server tells of when none of these is meant.
import { text } from "node:stream/consumers";
import type { HttpsClient } from "../client/https.ts";
import { builtinKinds } from "../kinds/index.ts";
import { allVerbs, apiVersionOf, defineKind } from "../kinds/kind.ts";
import type { AnyKind } from "../kinds/registry.ts";
import type { KubeObject } from "../machinery/object.ts";

interface DiscoveredResource {
  readonly resource: string;
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly scope: "Cluster" | "Namespaced";
  readonly singularResource?: string;
  readonly shortNames?: readonly string[];
}

interface GroupList {
  readonly items: readonly {
    readonly versions: readonly { readonly resources: readonly DiscoveredResource[] }[];
  }[];
}

const discoveryType = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** All kinds of all groups that the server has now, the preferred version of each group first. */
async function servedKinds(client: HttpsClient): Promise<AnyKind[]> {
  const answer = await client.request("GET", "/apis", { headers: { accept: discoveryType } });
  const { items } = JSON.parse(await text(answer.body)) as GroupList;
  return items
    .flatMap(({ versions }) => versions)
    .flatMap(({ resources }) => resources)
    .map(({ resource, responseKind, scope, singularResource, shortNames }) =>
      defineKind(apiVersionOf(responseKind), responseKind.kind, {
        plural: resource,
        singular: singularResource || responseKind.kind.toLowerCase(),
        namespaced: scope === "Namespaced",
        verbs: allVerbs,
        ...(shortNames ? { shortNames } : {}),
      }),
    );
}

async function find(client: HttpsClient, isMeant: (kind: AnyKind) => boolean): Promise<AnyKind | undefined> {
  return builtinKinds.find(isMeant) ?? (await servedKinds(client)).find(isMeant);
}

/** The kind that a person means by `pods`, `po`, `pod`, `Pod` or `deployments.apps`; throws when there is none. */
export async function findKind(client: HttpsClient, word: string): Promise<AnyKind> {
  const lower = word.toLowerCase();
  const found = await find(client, (kind) =>
    [kind.plural, kind.singular, ...(kind.shortNames ?? []), `${kind.plural}.${kind.group}`].includes(lower),
  );
  if (!found) throw new Error(`the server has no resource type "${word}"`);
  return found;
}

/** The kind of an object by what it says of itself; throws when the server has no such kind. */
export async function kindOf(client: HttpsClient, object: KubeObject): Promise<AnyKind> {
  const found = await find(client, (kind) => kind.kind === object.kind && apiVersionOf(kind) === object.apiVersion);
  if (!found) throw new Error(`no kind "${object.kind}" is known in version "${object.apiVersion}"`);
  return found;
}
