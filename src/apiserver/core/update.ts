// Update and patch: read the latest version, compute the next, commit; in one tick when nothing else is awaited.
// Follows kubernetes v1.36 apiserver/pkg/registry/generic/registry/store.go (Update) and rest/update.go (BeforeUpdate).
import type { AnyKind } from "../../kinds/registry.ts";
import { deepEqual } from "../../machinery/equal.ts";
import {
  badRequest,
  conflict,
  invalid,
  methodNotSupported,
  notFound,
  staleResourceVersion,
} from "../../machinery/errors.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { invalidValue } from "../../machinery/field.ts";
import type { KubeObject, ObjectMeta } from "../../machinery/object.ts";
import type { Awaitable } from "../../machinery/turn.ts";
import { StoreError, type Entry } from "../../store/store.ts";
import type { AdmissionRequest } from "../admission/chain.ts";
import type { ObjectTarget, RequestContext, WriteParameters } from "../types.ts";
import { authorize } from "./authorize.ts";
import { attempt, resourceOf, storeKey, Transaction } from "./core.ts";
import type { Core } from "./core.ts";
import { create } from "./create.ts";
import { checkIdentity, decode, isBuiltin } from "./decode.ts";
import { isHeartbeat } from "./heartbeat.ts";
import { cloneJson, prepareViews, sameParts, shareParts, toStored, viewOf } from "./entries.ts";
import { trackManagers } from "./managers.ts";
import type { TrackedParameters } from "./managers.ts";
import { validateMetadata, validateMetadataUpdate } from "./metadata.ts";

export interface Written {
  readonly entry: Entry;
  readonly created: boolean;
}

/** Kinds whose PUT creates what is not there, as upstream's strategies say. */
const createdByUpdate = new Set([
  "/endpoints",
  "/events",
  "/limitranges",
  "coordination.k8s.io/leases",
  "events.k8s.io/events",
  "node.k8s.io/runtimeclasses",
  "rbac.authorization.k8s.io/roles",
  "rbac.authorization.k8s.io/rolebindings",
  "rbac.authorization.k8s.io/clusterroles",
  "rbac.authorization.k8s.io/clusterrolebindings",
]);

/** Kinds that want a resourceVersion with every PUT. */
const versionRequired = new Set([
  "coordination.k8s.io/leases",
  "apiextensions.k8s.io/customresourcedefinitions",
  "apiregistration.k8s.io/apiservices",
  "admissionregistration.k8s.io/validatingwebhookconfigurations",
  "admissionregistration.k8s.io/mutatingwebhookconfigurations",
  "admissionregistration.k8s.io/validatingadmissionpolicies",
  "admissionregistration.k8s.io/validatingadmissionpolicybindings",
  "scheduling.k8s.io/priorityclasses",
  "policy/poddisruptionbudgets",
]);

const nameOf = (kind: AnyKind) => `${kind.group}/${kind.plural}`;

/** PUT of the whole object or of its status. Throws StatusError. */
export async function update(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  target: ObjectTarget,
  body: KubeObject,
  parameters: WriteParameters,
): Promise<Written> {
  const subresource = parameters.subresource ?? "";
  if (!kind.verbs.includes("update")) throw methodNotSupported(resourceOf(kind), "update");
  authorize(core.authorizer, context, kind, "update", target, subresource);
  const decoded = decode(kind, body, context, parameters);
  checkIdentity(kind, decoded, target.namespace, target.name);
  const version = decoded.metadata.resourceVersion;
  const unconditional = !version || version === "0";
  if (unconditional && versionRequired.has(nameOf(kind)) && core.store.latest(storeKey(kind, target))) {
    const text = "must be specified for an update";
    throw invalid(kind, target.name, [invalidValue("metadata.resourceVersion", 0, text)]);
  }
  // Only an unconditional update can need a second, pristine draft.
  const pristine = unconditional ? cloneJson(decoded) : undefined;
  let draft: KubeObject | undefined = decoded;
  return attempt(core, kind, target.name, unconditional, async () => {
    const current = core.store.latest(storeKey(kind, target));
    const next = draft ?? cloneJson(pristine!);
    draft = undefined;
    if (!current) {
      const creates = createdByUpdate.has(nameOf(kind)) && unconditional && subresource === "";
      if (!creates) throw notFound(resourceOf(kind), target.name);
      next.metadata.resourceVersion = "";
      return { entry: await create(core, context, kind, target.namespace, next, parameters), created: true };
    }
    const entry = await replace(core, context, kind, current, next, parameters);
    return { entry, created: false };
  });
}

/**
 * Commits `draft` (private, decoded) as the next version of `current`, as PUT, PATCH and special subresources do.
 * Lets StoreErrors through: a caller that may retry does so.
 */
export async function replace(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  current: Entry,
  draft: KubeObject,
  parameters: TrackedParameters,
): Promise<Entry> {
  if (kind.storage?.foreign?.isReady(current.object) === false) {
    throw new StoreError("conflict", "the object changed while it was converted");
  }
  const view = viewOf(kind, current);
  const old = view.object;
  checkPreconditions(kind, draft.metadata, old.metadata);
  const transaction = new Transaction(parameters.dryRun ?? false);
  try {
    const next = await prepare(core, context, kind, draft, old, parameters, transaction);
    if (isSame(next, old)) {
      if (current.revision > core.store.revision) await core.store.settled();
      return view;
    }
    const { key, revision } = current;
    if (kind.storage?.foreign) await kind.storage.foreign.prepareStored(next);
    const object = toStored(kind, next);
    const entry = isFinished(kind, next, old)
      ? await transaction.commit(core.store, { type: "delete", key, expectedRevision: revision, object }, current)
      : await transaction.commit(
          core.store,
          {
            type: "update",
            key,
            object,
            expectedRevision: revision,
            ...(isHeartbeat(kind, next, old) ? { volatile: true } : {}),
          },
          current,
        );
    if (kind.storage?.foreign) await prepareViews(kind, [entry]);
    return viewOf(kind, entry);
  } finally {
    transaction.settle(false);
  }
}

/** Throws Conflict when the client wants another object or version than there is. */
export function checkPreconditions(kind: AnyKind, wanted: ObjectMeta, actual: ObjectMeta): void {
  const what = resourceOf(kind);
  if (wanted.uid && wanted.uid !== actual.uid) {
    const why = `Precondition failed: UID in precondition: ${wanted.uid}, UID in object meta: ${actual.uid}`;
    throw conflict(what, actual.name, why);
  }
  const version = wanted.resourceVersion;
  if (version && version !== "0" && version !== actual.resourceVersion) {
    if (!/^\d+$/.test(version)) {
      throw badRequest(`invalid resource version: ${JSON.stringify(version)}`);
    }
    throw staleResourceVersion(what, actual.name);
  }
}

async function prepare(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  draft: KubeObject,
  old: KubeObject,
  parameters: TrackedParameters,
  transaction: Transaction,
): Promise<KubeObject> {
  const subresource = parameters.subresource ?? "";
  keepSystemMetadata(draft.metadata, old.metadata);
  const status = subresource === "status";
  let next = confined(kind, draft, old, subresource);
  // What was stored had its defaults.
  const settled = kind.manyAlike && sameParts(next, old);
  if (!settled && (!status || kind.custom)) kind.defaults?.(next);
  const request: AdmissionRequest = {
    operation: "UPDATE",
    kind,
    resource: nameOf(kind),
    subresource,
    namespace: next.metadata.namespace ?? "",
    name: next.metadata.name,
    object: next,
    old,
    parameters,
    user: context.user,
    trusted: context.trusted,
    transaction,
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  };
  const mutation = parameters.isAdmitted ? undefined : core.admission.mutate(request);
  if (mutation) {
    await mutation;
    next = request.object;
    const faults = identityErrors(next.metadata, old.metadata);
    if (faults.length > 0) throw invalid(kind, old.metadata.name, faults);
    keepSystemMetadata(next.metadata, old.metadata);
    next = request.object = confined(kind, next, old, subresource);
  }
  if (subresource === "") kind.prepareForUpdate?.(next, old);
  if (kind.manyAlike) shareParts(next, old);
  bumpGeneration(kind, next, old);
  const found = changeErrors(kind, next, old, subresource);
  const errors = [
    ...validateMetadata(kind, next.metadata),
    ...validateMetadataUpdate(next, old),
    ...(found instanceof Promise ? await found : found),
  ];
  if (errors.length > 0) throw invalid(kind, next.metadata.name, errors);
  if (subresource === "" && kind.warnings) context.warnings.push(...kind.warnings(next));
  const validation = parameters.isAdmitted ? undefined : core.admission.validate(request);
  if (validation) await validation;
  trackManagers(core, context, kind, next, old, parameters);
  return next;
}

/** The draft with what the main resource or `/status` does not change as it was. */
function confined(kind: AnyKind, draft: KubeObject, old: KubeObject, subresource: string): KubeObject {
  if (subresource === "status") return withStatusOf(kind, old, draft);
  if (subresource === "" && kind.subresources?.status) keepStatus(draft, old);
  return draft;
}

/** What admission may not have changed. */
const identityErrors = (metadata: ObjectMeta, old: ObjectMeta): FieldError[] =>
  (["name", "namespace", "uid"] as const)
    .filter((field) => metadata[field] !== old[field])
    .map((field) => invalidValue(`metadata.${field}`, metadata[field] ?? "", "field is immutable"));

function changeErrors(
  kind: AnyKind,
  next: KubeObject,
  old: KubeObject,
  subresource: string,
): Awaitable<readonly FieldError[]> {
  if (kind.custom) return kind.custom.validate(next, old);
  if (subresource === "status") return kind.validateStatusUpdate?.(next, old) ?? [];
  const validateChange = subresource === "" ? kind.validateUpdate : kind.validateSubresourceUpdate?.[subresource];
  return [...(kind.validate?.(next, old) ?? []), ...(validateChange?.(next, old) ?? [])];
}

function keepSystemMetadata(metadata: ObjectMeta, old: ObjectMeta): void {
  metadata.uid = old.uid;
  metadata.creationTimestamp = old.creationTimestamp;
  metadata.resourceVersion = old.resourceVersion;
  delete metadata.selfLink;
  keep(metadata, old, "generateName");
  keep(metadata, old, "deletionTimestamp");
  keep(metadata, old, "deletionGracePeriodSeconds");
  keep(metadata, old, "generation");
  if (metadata.managedFields === undefined && old.managedFields) metadata.managedFields = old.managedFields;
}

function keep<K extends keyof ObjectMeta>(metadata: ObjectMeta, old: ObjectMeta, field: K): void {
  if (old[field] === undefined) delete metadata[field];
  else metadata[field] = old[field];
}

type WithStatus = KubeObject & { status?: unknown };

function keepStatus(draft: WithStatus, old: WithStatus): void {
  if (old.status === undefined) delete draft.status;
  else draft.status = old.status;
}

/** The old object with the draft's status, and with its labels, annotations and finalizers where upstream lets them in. */
function withStatusOf(kind: AnyKind, old: WithStatus, draft: WithStatus): KubeObject {
  const metadata = isBuiltin(kind)
    ? { ...draft.metadata, ...(old.metadata.ownerReferences ? { ownerReferences: old.metadata.ownerReferences } : {}) }
    : { ...old.metadata, ...(draft.metadata.managedFields ? { managedFields: draft.metadata.managedFields } : {}) };
  if (!old.metadata.ownerReferences) delete metadata.ownerReferences;
  const next: WithStatus = { ...old, metadata };
  if (draft.status === undefined) delete next.status;
  else next.status = draft.status;
  return next;
}

/** Raises the generation when anything but metadata and status differs. */
function bumpGeneration(kind: AnyKind, next: KubeObject, old: KubeObject): void {
  if (!kind.hasGeneration) return;
  const statusCounts = kind.custom && !kind.subresources?.status;
  const changes = (field: string) =>
    field !== "metadata" &&
    (field !== "status" || statusCounts) &&
    !deepEqual(next[field as keyof KubeObject], old[field as keyof KubeObject]);
  const isChanged = () => {
    for (const field in next) if (changes(field)) return true;
    for (const field in old) if (!(field in next) && changes(field)) return true;
    return false;
  };
  if (isChanged()) next.metadata.generation = (old.metadata.generation ?? 0) + 1;
}

/** True when nothing changed but the bookkeeping of managers' times. */
function isSame(next: KubeObject, old: KubeObject): boolean {
  return deepEqual(next, old);
}

/** True when the last finalizer of an object that waits for deletion has gone. */
function isFinished(kind: AnyKind, next: KubeObject, old: KubeObject): boolean {
  if (!old.metadata.deletionTimestamp || next.metadata.finalizers?.length) return false;
  if (nameOf(kind) === "/namespaces" && (next as { spec?: { finalizers?: string[] } }).spec?.finalizers?.length)
    return false;
  return !old.metadata.deletionGracePeriodSeconds;
}
