// AdmissionReviews: what a webhook is asked and what it may answer.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook/request/admissionreview.go and errors/statuserror.go.
import type { AnyKind } from "../../../kinds/registry.ts";
import { StatusError, type Status } from "../../../machinery/errors.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { userInfo } from "../../core/reviews.ts";
import type { DeleteParameters, WriteParameters } from "../../types.ts";
import type { AdmissionRequest } from "../chain.ts";
import { namespaceOf } from "./selection.ts";

/** What the two sorts of webhooks are called in metrics. */
export type HookType = "admit" | "validating";

/** True until a new object has its name, uid and time, which it gets after mutation. */
const isUnborn = ({ operation, subresource, kind }: AdmissionRequest) =>
  operation === "CREATE" && subresource === "" && !kind.virtual;

/** The object of a request as webhooks see it: a new one without what only the server sets. */
export function shownObject(request: AdmissionRequest, type: HookType): KubeObject | undefined {
  const { object, operation, isNameGenerated } = request;
  if (operation === "DELETE") return undefined;
  if (!isUnborn(request)) return object;
  const metadata: Partial<KubeObject["metadata"]> = { ...object.metadata };
  delete metadata.resourceVersion;
  if (type === "admit") {
    delete metadata.uid;
    delete metadata.creationTimestamp;
    if (isNameGenerated) delete metadata.name;
  }
  return { ...object, metadata: metadata as KubeObject["metadata"] };
}

/** The reverse: what mutating webhooks made of it, with what they did not see. */
export function restoredObject(request: AdmissionRequest, mutated: KubeObject): KubeObject {
  if (!isUnborn(request)) return mutated;
  const { uid, creationTimestamp, resourceVersion, name } = request.object.metadata;
  const metadata = { ...mutated.metadata, uid, creationTimestamp, resourceVersion };
  if (request.isNameGenerated) metadata.name ||= name;
  return { ...mutated, metadata };
}

function placeOf({ kind, subresource, objectKind }: AdmissionRequest, asked: AnyKind) {
  const typeOf = ({ group, version, kind: name }: Pick<AnyKind, "group" | "version" | "kind">) => ({
    group,
    version,
    kind: name,
  });
  const resourceOf = ({ group, version, plural }: AnyKind) => ({ group, version, resource: plural });
  return {
    kind: typeOf(objectKind ?? asked),
    resource: resourceOf(asked),
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: typeOf(objectKind ?? kind),
    requestResource: resourceOf(kind),
    ...(subresource ? { requestSubResource: subresource } : {}),
  };
}

const optionKinds = { CREATE: "CreateOptions", UPDATE: "UpdateOptions", DELETE: "DeleteOptions" } as const;

function optionsOf({ operation, parameters }: AdmissionRequest): object | null {
  if (operation === "CONNECT" || !parameters) return null;
  const { dryRun, fieldManager, fieldValidation, ...rest } = parameters as WriteParameters & DeleteParameters;
  const { gracePeriodSeconds, preconditions, orphanDependents, propagationPolicy } = rest;
  return {
    kind: optionKinds[operation],
    apiVersion: "meta.k8s.io/v1",
    ...(operation === "DELETE"
      ? { gracePeriodSeconds, preconditions, orphanDependents, propagationPolicy }
      : { fieldManager, fieldValidation }),
    ...(dryRun ? { dryRun: ["All"] } : {}),
  };
}

/** The `request` of a review without the objects; match conditions see the same. `asked` is the webhook's version. */
export function requestOf(request: AdmissionRequest, asked: AnyKind, type: HookType): Record<string, unknown> {
  const { operation, user, transaction, name, isNameGenerated } = request;
  const namespace = namespaceOf(request);
  const isNameless = name === "" || (isNameGenerated && type === "admit");
  return {
    ...placeOf(request, asked),
    ...(isNameless ? {} : { name }),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: userInfo(user),
    dryRun: transaction.dryRun,
    options: optionsOf(request),
  };
}

/** Versions of AdmissionReview that can be spoken. */
const versions = ["v1", "v1beta1"];

export const reviewVersionOf = (accepted: readonly string[]): string =>
  accepted.find((version) => versions.includes(version)) ?? "v1";

export interface Verdict {
  readonly allowed: boolean;
  readonly result: Partial<Status> | undefined;
  /** Operations of a JSON patch; absent when there is nothing to change. */
  readonly patch: unknown;
  readonly patchType: string;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
}

interface Response {
  readonly uid?: string;
  readonly allowed?: boolean;
  readonly status?: Partial<Status>;
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Checks the answer to review `uid`; throws an Error that says which rule it breaks. */
export function verdictOf(answer: unknown, uid: string, version: string, type: HookType): Verdict {
  const { apiVersion = "", kind = "", response } = isRecord(answer) ? answer : {};
  if (!isRecord(response)) throw new Error("webhook response was absent");
  const { uid: answered = "", patch, patchType, ...rest } = response as Response;
  if (version === "v1") {
    if (answered !== uid) {
      throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(answered)}`);
    }
    if (apiVersion !== "admission.k8s.io/v1" || kind !== "AdmissionReview") {
      throw new Error(
        `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(apiVersion) || "/"}, Kind=${String(kind)}`,
      );
    }
    checkPatch(patch, patchType, type);
  }
  return {
    allowed: rest.allowed === true,
    result: isRecord(rest.status) ? rest.status : undefined,
    patch: patch ? (JSON.parse(Buffer.from(patch, "base64").toString("utf8")) as unknown) : undefined,
    patchType: patchType ?? "JSONPatch",
    warnings: (Array.isArray(rest.warnings) ? rest.warnings : []).map(String),
    auditAnnotations: isRecord(rest.auditAnnotations) ? rest.auditAnnotations : {},
  };
}

function checkPatch(patch: unknown, patchType: unknown, type: HookType): void {
  if (type === "validating") {
    if (patch) throw new Error("validating webhook may not return response.patch");
    if (patchType != null) throw new Error("validating webhook may not return response.patchType");
    return;
  }
  if (patch && patchType == null) throw new Error("webhook returned response.patch but not response.patchType");
  if (!patch && patchType != null) throw new Error("webhook returned response.patchType but not response.patch");
  if (patch && !patchType) throw new Error(`webhook returned invalid response.patchType of ""`);
}

/** What the client receives when a webhook says no; the webhook may say why and with which code. */
export function denial(webhookName: string, result: Partial<Status> = {}): StatusError {
  const denied = `admission webhook ${JSON.stringify(webhookName)} denied the request`;
  const why = result.message || result.reason;
  const code = typeof result.code === "number" && result.code >= 400 ? result.code : 400;
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: why ? `${denied}: ${why}` : `${denied} without explanation`,
    ...(result.reason ? { reason: result.reason } : {}),
    ...(isRecord(result.details) ? { details: result.details } : {}),
    code,
  });
}
