// The parameters that a binding hands to its policy. Follows kubernetes v1.36
// apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go (CollectParams: outcomes and texts).
import type { KubeObject } from "../../../machinery/object.ts";
import { collectionOf } from "../../../kinds/kind.ts";
import { matchesLabels } from "../../../machinery/selector.ts";
import { viewOf } from "../../core/entries.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import type { Binding, Policy } from "./policies.ts";

/** One evaluation for each; null is an evaluation without. Throws an Error, which the failure policy decides on. */
export function paramsOf(
  policy: Policy,
  { spec }: Binding,
  request: AdmissionRequest,
  { store, kinds }: AdmissionWorld,
): readonly (KubeObject | null)[] {
  const paramKind = policy.spec?.paramKind;
  const reference = spec?.paramRef;
  if (!paramKind || !reference) return [null];
  const kind = kinds.byApiVersion(paramKind.apiVersion!, paramKind.kind!);
  if (!kind) {
    throw new Error(
      `failed to find resource referenced by paramKind: '${paramKind.apiVersion}, Kind=${paramKind.kind}'`,
    );
  }
  if (!kind.namespaced && reference.namespace) {
    throw new Error("paramRef.namespace must not be provided for a cluster-scoped `paramKind`");
  }
  const namespace = kind.namespaced ? reference.namespace || request.namespace : "";
  if (kind.namespaced && !namespace) {
    throw new Error("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources");
  }
  const collection = collectionOf(kind);
  const found = reference.name
    ? [store.get({ collection, namespace, name: reference.name }) ?? []].flat()
    : store
        .list(collection, kind.namespaced ? namespace : undefined)
        .entries.filter(({ object }) => matchesLabels(reference.selector, object.metadata.labels));
  if (found.length === 0 && reference.parameterNotFoundAction === "Deny") {
    throw new Error("no params found for policy binding with `Deny` parameterNotFoundAction");
  }
  return found.map((entry) => viewOf(kind, entry).object);
}
