// Delete: preconditions, grace periods, finalizers and what happens to dependents.
// Follows kubernetes v1.36 apiserver/pkg/registry/rest/delete.go (BeforeDelete) and generic/registry/store.go (Delete).
import type { AnyKind } from "../../kinds/registry.ts";
import { formatTime, parseTime } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { conflict, invalid, methodNotSupported } from "../../machinery/errors.ts";
import { invalidValue } from "../../machinery/field.ts";
import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { Entry } from "../../store/store.ts";
import { admit } from "../admission/chain.ts";
import type { DeleteParameters, ListParameters, ObjectTarget, RequestContext } from "../types.ts";
import { authorize } from "./authorize.ts";
import { attempt, resourceOf, Transaction } from "./core.ts";
import type { Core } from "./core.ts";
import { latestEntry } from "./create.ts";
import { toStored, viewOf } from "./entries.ts";
import { listSelected } from "./list.ts";
import { selectionOf } from "./selection.ts";

export interface Deleted {
  readonly entry: Entry;
  readonly deleted: boolean;
}

const orphan = "orphan";
const foreground = "foregroundDeletion";

/** What one deletion does to one object. */
export type DeletionPlan =
  /** It waits already; nothing changes. */
  | { readonly do: "nothing" }
  | { readonly do: "remove" }
  /** The new metadata; the object goes later. */
  | { readonly do: "mark"; readonly metadata: ObjectMeta };

/** Decides what a delete request does. `now` is in milliseconds. */
export function planDeletion(
  kind: AnyKind,
  object: KubeObject,
  parameters: DeleteParameters,
  now: number,
): DeletionPlan {
  const { metadata } = object;
  const finalizers = finalizersAfter(kind, metadata.finalizers ?? [], parameters);
  const { cleanupFinalizer } = kind;
  if (cleanupFinalizer && !metadata.deletionTimestamp && !finalizers.includes(cleanupFinalizer)) {
    finalizers.push(cleanupFinalizer);
  }
  const grace = graceOf(kind, object, parameters);
  if (metadata.deletionTimestamp && kind.deletionGraceSeconds && metadata.deletionGracePeriodSeconds !== undefined) {
    const left = metadata.deletionGracePeriodSeconds;
    if (grace === undefined || parameters.gracePeriodSeconds === undefined || grace >= left) {
      return left > 0 || finalizers.length > 0 ? { do: "nothing" } : { do: "remove" };
    }
    if (grace === 0 && finalizers.length === 0) return { do: "remove" };
    const began = parseTime(metadata.deletionTimestamp) - left * 1000;
    const deletionTimestamp = formatTime(began + grace * 1000);
    const shortened = { ...metadata, deletionTimestamp, deletionGracePeriodSeconds: grace };
    return { do: "mark", metadata: withFinalizers(shortened, finalizers) };
  }
  const seconds = grace ?? 0;
  if (finalizers.length === 0 && seconds === 0) return { do: "remove" };
  const marked: ObjectMeta = {
    ...withFinalizers(metadata, finalizers),
    deletionTimestamp: metadata.deletionTimestamp ?? formatTime(now + seconds * 1000),
    deletionGracePeriodSeconds: metadata.deletionGracePeriodSeconds ?? seconds,
  };
  if (!metadata.deletionTimestamp && metadata.generation) marked.generation = metadata.generation + 1;
  return metadata.deletionTimestamp && deepEqual(marked, metadata)
    ? { do: "nothing" }
    : { do: "mark", metadata: marked };
}

function withFinalizers(metadata: ObjectMeta, finalizers: string[]): ObjectMeta {
  const next = { ...metadata, finalizers };
  if (finalizers.length === 0) delete (next as ObjectMeta).finalizers;
  return next;
}

/** The grace period of the kind; undefined for kinds that know none. */
function graceOf(kind: AnyKind, object: KubeObject, parameters: DeleteParameters): number | undefined {
  return kind.deletionGraceSeconds?.(object, parameters.gracePeriodSeconds);
}

function finalizersAfter(kind: AnyKind, before: readonly string[], parameters: DeleteParameters): string[] {
  const policy = parameters.propagationPolicy;
  const others = before.filter((finalizer) => finalizer !== orphan && finalizer !== foreground);
  if (parameters.orphanDependents !== undefined) return parameters.orphanDependents ? [...others, orphan] : others;
  if (policy === "Orphan") return [...others, orphan];
  if (policy === "Foreground") return [...others, foreground];
  if (policy === "Background") return others;
  if (before.includes(orphan)) return [...others, orphan];
  if (before.includes(foreground)) return [...others, foreground];
  return kind.dependentsStay ? [...others, orphan] : others;
}

/** Deletes one object or begins to. Throws StatusError. */
export async function remove(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  parameters: DeleteParameters,
): Promise<Deleted> {
  if (!kind.verbs.includes("delete")) throw methodNotSupported(resourceOf(kind), "delete");
  authorize(core.authorizer, context, kind, "delete", target);
  checkParameters(parameters);
  return removeAuthorized(core, context, kind, target, parameters);
}

function checkParameters({ propagationPolicy, orphanDependents, gracePeriodSeconds }: DeleteParameters): void {
  const options = { group: "meta.k8s.io", kind: "DeleteOptions" };
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    const text = "orphanDependents and deletionPropagation cannot be both set";
    throw invalid(options, "", [invalidValue("propagationPolicy", propagationPolicy, text)]);
  }
  if (gracePeriodSeconds !== undefined && gracePeriodSeconds < 0 && gracePeriodSeconds !== -1) {
    throw invalid(options, "", [
      invalidValue("gracePeriodSeconds", gracePeriodSeconds, "must be greater than or equal to 0"),
    ]);
  }
}

/** The same without authorization, for deletecollection and eviction; `isAdmitted` when admission has seen the request. */
export function removeAuthorized(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  parameters: DeleteParameters,
  isAdmitted = false,
): Promise<Deleted> {
  return attempt(core, kind, target.name, true, async () => {
    const current = latestEntry(core, kind, target.namespace, target.name);
    const { object } = viewOf(kind, current);
    checkPreconditions(kind, object.metadata, parameters);
    const transaction = new Transaction(parameters.dryRun ?? false);
    const admitted = isAdmitted
      ? undefined
      : admit(core.admission, {
          operation: "DELETE",
          kind,
          resource: `${kind.group}/${kind.plural}`,
          subresource: "",
          namespace: target.namespace,
          name: target.name,
          object,
          old: object,
          parameters,
          user: context.user,
          trusted: context.trusted,
          transaction,
          warnings: context.warnings,
          auditAnnotations: context.auditAnnotations,
        });
    if (admitted) await admitted;
    const now = core.clock.now();
    const plan = kind.deletion?.(object, now) ?? withMetadata(object, planDeletion(kind, object, parameters, now));
    warnOfOrphans(kind, plan, parameters, context);
    if (plan === "nothing") {
      if (current.revision > core.store.revision) await core.store.settled();
      return { entry: viewOf(kind, current), deleted: false };
    }
    const { key, revision } = current;
    const write =
      plan === "remove"
        ? ({ type: "delete", key, expectedRevision: revision } as const)
        : ({ type: "update", key, expectedRevision: revision, object: toStored(kind, plan) } as const);
    const entry = await transaction.commit(core.store, write, current);
    return { entry: viewOf(kind, entry), deleted: plan === "remove" };
  });
}

const withMetadata = (object: KubeObject, plan: DeletionPlan): KubeObject | "nothing" | "remove" =>
  plan.do === "mark" ? { ...object, metadata: plan.metadata } : plan.do;

function warnOfOrphans(kind: AnyKind, plan: unknown, parameters: DeleteParameters, { warnings }: RequestContext): void {
  const { warning } = kind.dependentsStay ?? {};
  if (plan === "nothing" || warning === undefined) return;
  if (parameters.propagationPolicy === undefined && parameters.orphanDependents === undefined) warnings.push(warning);
}

/** Upstream names the kind here, not the resource. */
function checkPreconditions(kind: AnyKind, metadata: ObjectMeta, { preconditions }: DeleteParameters): void {
  const check = (what: string, wanted: string | undefined, actual: string, why: string) => {
    if (!wanted || wanted === actual) return;
    const message = `the ${what} in the precondition (${wanted}) does not match the ${what} in record (${actual}). ${why}`;
    throw conflict({ group: kind.group, resource: kind.kind }, metadata.name, message);
  };
  check("UID", preconditions?.uid, metadata.uid, "The object might have been deleted and then recreated");
  const version = preconditions?.resourceVersion;
  check("ResourceVersion", version, metadata.resourceVersion, "The object might have been modified");
}

/** Deletes every object that matches; those that vanish meanwhile count as deleted. */
export async function removeCollection(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  parameters: ListParameters,
  options: DeleteParameters,
): Promise<readonly Entry[]> {
  if (!kind.verbs.includes("deletecollection")) throw methodNotSupported(resourceOf(kind), "deletecollection");
  const selection = selectionOf(kind, parameters.labelSelector, parameters.fieldSelector);
  authorize(core.authorizer, context, kind, "deletecollection", parameters, "", selection);
  checkParameters(options);
  const { entries } = listSelected(core, kind, parameters, selection);
  const removeOne = (entry: Entry) =>
    removeAuthorized(core, context, kind, entry.key, options).then(
      (done) => done.entry,
      (error: { reason?: string }) => {
        if (error.reason === "NotFound") return entry;
        throw error;
      },
    );
  const removed: Entry[] = [];
  // So many at a time fill a commit; more would keep others from their turn.
  for (let at = 0; at < entries.length; at += deletionsAtOnce) {
    removed.push(...(await Promise.all(entries.slice(at, at + deletionsAtOnce).map(removeOne))));
  }
  return removed;
}

const deletionsAtOnce = 32;
