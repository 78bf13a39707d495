// POST serviceaccounts/token: a TokenRequest. Follows kubernetes v1.36 pkg/registry/core/serviceaccount/storage/token.go.
import type { TokenRequest } from "../../kinds/generated/authentication.v1.ts";
import type { Pod } from "../../kinds/generated/core.v1.ts";
import { badRequest, conflict, forbidden, internalError, invalid, notFound } from "../../machinery/errors.ts";
import { invalidValue } from "../../machinery/field.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Core } from "../core/core.ts";
import { decode } from "../core/decode.ts";
import { admitted } from "./admitted.ts";
import type { SpecialHandler, SpecialRequest } from "./index.ts";

const defaultSeconds = 3600;
const leastSeconds = 600;
const mostSeconds = 2 ** 32;
/** What the token volume of pods asks for: pods that never read their token again keep working for a year. */
const extendableSeconds = 3607;
const extendedSeconds = 365 * 86_400;
const boundCollections: Readonly<Record<string, { readonly plural: string; readonly namespaced: boolean }>> = {
  Pod: { plural: "pods", namespaced: true },
  Secret: { plural: "secrets", namespaced: true },
  Node: { plural: "nodes", namespaced: false },
};

const tokenType = {
  group: "authentication.k8s.io",
  version: "v1",
  kind: "TokenRequest",
  schema: "authentication.v1.TokenRequest",
} as const;

type BoundKind = "Pod" | "Secret" | "Node";

export const issueToken: SpecialHandler = async (core, request) => {
  const { target, kind, context, parameters } = request;
  if (!core.tokens) throw internalError("this server issues no tokens");
  const account = core.store.latest({ collection: "/serviceaccounts", ...target });
  if (!account) throw notFound({ group: "", resource: "serviceaccounts" }, target.name);
  const asked = decode(kind, request.body ?? {}, context, parameters, tokenType.schema);
  const body = { operation: "CREATE", object: asked, type: tokenType } as const;
  const draft = (await admitted(core, request, body)) as unknown as TokenRequest;
  const { metadata } = account.object;
  const { uid } = draft.metadata ?? {};
  if (uid && uid !== metadata.uid) {
    const why = `the UID in the token request (${uid}) does not match the UID of the service account (${metadata.uid})`;
    throw conflict({ group: "", resource: "serviceaccounts" }, target.name, why);
  }
  const spec = draft.spec ?? { audiences: [] };
  const seconds = spec.expirationSeconds ?? defaultSeconds;
  checkSeconds(seconds, target.name);
  const bound = boundObject(core, request, spec);
  const audiences = spec.audiences?.length ? spec.audiences : [core.tokens.issuer];
  const lastsLonger =
    spec.boundObjectRef?.kind === "Pod" &&
    seconds === extendableSeconds &&
    audiences.every((audience) => audience === core.tokens!.issuer);
  const issued = await core.tokens.issue({
    namespace: target.namespace,
    serviceAccount: { name: metadata.name, uid: metadata.uid },
    audiences,
    expirationSeconds: lastsLonger ? extendedSeconds : seconds,
    ...(lastsLonger ? { warnAfterSeconds: seconds } : {}),
    ...bound,
  });
  return {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    metadata: { name: target.name, namespace: target.namespace },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: issued,
  } as unknown as KubeObject;
};

function checkSeconds(seconds: number, name: string): void {
  const refuse = (text: string) =>
    invalid({ group: "authentication.k8s.io", kind: "TokenRequest" }, name, [
      invalidValue("spec.expirationSeconds", seconds, text),
    ]);
  if (seconds < leastSeconds) throw refuse("may not specify a duration less than 10 minutes");
  if (seconds > mostSeconds) throw refuse("may not specify a duration larger than 2^32 seconds");
}

/** Checks that the object to which the token is bound is there, and finds its node if it is a pod. */
function boundObject(core: Core, { target }: SpecialRequest, spec: TokenRequest["spec"]) {
  const ref = spec?.boundObjectRef;
  if (!ref) return {};
  const place = boundCollections[ref.kind ?? ""];
  if (!place)
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(target.name)} to object of type ${ref.kind}`,
    );
  const namespace = place.namespaced ? target.namespace : "";
  const name = ref.name ?? "";
  const found = core.store.latest({ collection: `/${place.plural}`, namespace, name });
  if (!found) throw notFound({ group: "", resource: place.plural }, name);
  const { uid } = found.object.metadata;
  if (ref.uid && ref.uid !== uid) {
    const why = `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
    throw conflict({ group: "", resource: place.plural }, name, why);
  }
  const boundTo = { boundObject: { kind: ref.kind as BoundKind, name, uid } };
  if (ref.kind !== "Pod") return boundTo;
  const { serviceAccountName = "default", nodeName } = (found.object as Pod).spec ?? {};
  if (serviceAccountName !== target.name) {
    const why = `cannot bind token to pod ${JSON.stringify(name)} of service account ${JSON.stringify(serviceAccountName)}`;
    throw forbidden({ group: "", resource: "serviceaccounts" }, target.name, why);
  }
  return { ...boundTo, ...(nodeName ? { nodeName } : {}) };
}
