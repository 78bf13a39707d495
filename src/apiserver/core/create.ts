// Create: from a draft to a committed object, one pass. Follows kubernetes v1.36 apiserver/pkg/registry/generic/registry/store.go (Create).
import { randomUUID } from "node:crypto";
import type { AnyKind } from "../../kinds/registry.ts";
import { formatTime } from "../../machinery/clock.ts";
import { badRequest, invalid, methodNotSupported, notFound, type FieldError } from "../../machinery/errors.ts";
import { randomSuffix } from "../../machinery/names.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { after } from "../../machinery/turn.ts";
import { StoreError } from "../../store/store.ts";
import type { Entry } from "../../store/store.ts";
import type { AdmissionRequest } from "../admission/chain.ts";
import { checkNamespace } from "../admission/namespace-lifecycle.ts";
import type { RequestContext, WriteParameters } from "../types.ts";
import { authorize } from "./authorize.ts";
import { resourceOf, storeKey, Transaction, translate } from "./core.ts";
import type { Core } from "./core.ts";
import { checkIdentity, decode } from "./decode.ts";
import { prepareViews, shareParts, toStored, viewOf } from "./entries.ts";
import { trackManagers } from "./managers.ts";
import type { TrackedParameters } from "./managers.ts";
import { validateMetadata } from "./metadata.ts";

const generatedSuffixLength = 5;
const maxGeneratedPrefix = 63 - generatedSuffixLength;
const maxNameAttempts = 8;

/** Authorizes, decodes, admits, validates and commits a new object. Throws StatusError. */
export async function create(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  namespace: string,
  body: KubeObject,
  parameters: WriteParameters,
): Promise<Entry> {
  if (!kind.verbs.includes("create")) throw methodNotSupported(resourceOf(kind), "create");
  authorize(core.authorizer, context, kind, "create", { namespace });
  const draft = decode(kind, body, context, parameters);
  checkIdentity(kind, draft, namespace, "");
  if (draft.metadata.resourceVersion) throw badRequest("resourceVersion should not be set on objects to be created");
  return createDecoded(core, context, kind, draft, parameters);
}

/** The same for a draft that is decoded and authorized; the way in for apply and for updates that create. */
export async function createDecoded(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  draft: KubeObject,
  parameters: TrackedParameters,
): Promise<Entry> {
  const { metadata } = draft;
  const generated = !metadata.name && metadata.generateName ? metadata.generateName.slice(0, maxGeneratedPrefix) : "";
  fillSystemMetadata(core, draft);
  if (generated) metadata.name = generated + randomSuffix(generatedSuffixLength);
  kind.defaults?.(draft);
  const request: AdmissionRequest = {
    operation: "CREATE",
    kind,
    resource: `${kind.group}/${kind.plural}`,
    subresource: "",
    namespace: metadata.namespace ?? "",
    name: metadata.name,
    object: draft,
    isNameGenerated: generated !== "",
    parameters,
    user: context.user,
    trusted: context.trusted,
    transaction: new Transaction(parameters.dryRun ?? false),
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  };
  for (let tries = 1; ; tries++) {
    const { transaction } = request;
    try {
      let mutation: Promise<void> | undefined;
      let checks: Promise<void> | undefined;
      // A second attempt only has another generated name: what was filled in already stays.
      if (tries === 1) {
        mutation = core.admission.mutate(request);
        if (mutation) await mutation;
        checks = finish(core, context, request, mutation !== undefined);
        if (checks) await checks;
      }
      const validation = core.admission.validate(request);
      if (validation) await validation;
      // While somebody else was asked, the namespace may have gone.
      if (mutation || checks || validation) checkNamespace(request, core);
      const { object } = request;
      trackManagers(core, context, kind, object, undefined, parameters);
      const key = storeKey(kind, { namespace: request.namespace, name: object.metadata.name });
      if (transaction.dryRun && core.store.latest(key)) throw new StoreError("exists", "exists");
      if (kind.storage?.foreign) await kind.storage.foreign.prepareStored(object);
      const entry = await transaction.commit(core.store, { type: "create", key, object: toStored(kind, object) });
      if (kind.storage?.foreign) await prepareViews(kind, [entry]);
      return viewOf(kind, entry);
    } catch (error) {
      transaction.settle(false);
      const { metadata: refused } = request.object;
      const collided = generated !== "" && error instanceof StoreError && error.code === "exists";
      if (!collided || refused.name !== metadata.name || tries >= maxNameAttempts) {
        await core.store.settled();
        throw translate(error, kind, refused.name);
      }
      metadata.name = generated + randomSuffix(generatedSuffixLength);
      refused.name = metadata.name;
      request.name = metadata.name;
      request.transaction = new Transaction(transaction.dryRun);
    }
  }
}

const serverFields = ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation"] as const;

function fillSystemMetadata(core: Core, draft: KubeObject): void {
  const { metadata } = draft;
  // Deleting makes objects slow to read, so only what is there.
  for (const field of serverFields) if (metadata[field] !== undefined) delete metadata[field];
  metadata.resourceVersion = "";
  metadata.uid = randomUUID();
  metadata.creationTimestamp = formatTime(core.clock.now());
}

/** Between mutation and validation: what the server itself fills in, and the checks of the kind. Throws, or rejects with, Invalid. */
function finish(
  core: Core,
  context: RequestContext,
  request: AdmissionRequest,
  mayBeAnother: boolean,
): Promise<void> | undefined {
  const { kind, object: draft } = request;
  if (mayBeAnother) {
    checkIdentity(kind, draft, request.namespace, "");
    request.name = draft.metadata.name;
  }
  kind.prepareForCreate?.(draft);
  if (kind.hasGeneration) draft.metadata.generation = 1;
  const sibling = kind.manyAlike && !kind.storage ? core.store.siblingOf(draft) : undefined;
  if (sibling) shareParts(draft, sibling);
  const judged = (found: readonly FieldError[]) => {
    const errors = [...validateMetadata(kind, draft.metadata), ...found];
    if (errors.length > 0) throw invalid(kind, draft.metadata.name ?? "", errors);
    if (kind.warnings) context.warnings.push(...kind.warnings(draft));
    return undefined;
  };
  return after(kind.custom ? kind.custom.validate(draft) : (kind.validate?.(draft, sibling) ?? []), judged);
}

/** The stored entry that a write is based on; throws NotFound. */
export function latestEntry(core: Core, kind: AnyKind, namespace: string, name: string): Entry {
  const entry = core.store.latest(storeKey(kind, { namespace, name }));
  if (!entry) throw notFound(resourceOf(kind), name);
  return entry;
}
