// Whether a webhook whose rules match is called: by the labels of the namespace and of the object.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/predicates/{namespace,object}.
import { notFound } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { selectorMatches, type Selector } from "../../../machinery/selector.ts";
import type { Store } from "../../../store/store.ts";
import type { AdmissionRequest } from "../chain.ts";
import type { Hook } from "./hooks.ts";

/** The object that a webhook sees, absent for DELETE, and the one before, absent for CREATE and CONNECT. */
export interface Seen {
  readonly object: KubeObject | undefined;
  readonly old: KubeObject | undefined;
}

/** Throws NotFound when the namespace is not there to be asked for its labels. */
export function selects(
  { namespaceSelector, objectSelector }: Pick<Hook, "namespaceSelector" | "objectSelector">,
  seen: Seen,
  request: AdmissionRequest,
  store: Pick<Store, "latest">,
): boolean {
  if (objectSelector && !hasLabels(seen.object, objectSelector) && !hasLabels(seen.old, objectSelector)) return false;
  return !namespaceSelector || inNamespace(namespaceSelector, seen, request, store);
}

const hasLabels = (object: KubeObject | undefined, selector: Selector) =>
  object?.metadata !== undefined && selectorMatches(selector, object.metadata.labels);

/** A namespace counts as being in itself; what is in none is never left out. */
function inNamespace(
  selector: Selector,
  { object }: Seen,
  request: AdmissionRequest,
  store: Pick<Store, "latest">,
): boolean {
  const { resource, subresource } = request;
  const name = namespaceOf(request);
  if (!name && resource !== "/namespaces") return true;
  if (object && resource === "/namespaces" && subresource === "") {
    return selectorMatches(selector, object.metadata?.labels);
  }
  const namespace = store.latest({ collection: "/namespaces", namespace: "", name });
  if (!namespace) throw notFound({ group: "", resource: "namespaces" }, name);
  return selectorMatches(selector, namespace.object.metadata.labels);
}

/** As reviews name it: a namespace is its own. */
export const namespaceOf = ({ resource, namespace, name }: AdmissionRequest): string =>
  resource === "/namespaces" ? name : namespace;
