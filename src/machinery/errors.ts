// Kubernetes' Status errors: one row per reason, one builder per situation. Follows kubernetes v1.36
// staging/src/k8s.io/apimachinery/pkg/api/errors (reasons, codes, message forms).

/** What a client sent, for a message: objects of clients must not be asked for their text. */
export const textOf = (value: unknown): string => (typeof value === "string" ? value : String(JSON.stringify(value)));

export interface StatusCause {
  reason?: string;
  message?: string;
  field?: string;
}

export interface StatusDetails {
  name?: string;
  group?: string;
  kind?: string;
  uid?: string;
  causes?: StatusCause[];
  retryAfterSeconds?: number;
}

export interface Status {
  kind: "Status";
  apiVersion: "v1";
  metadata: Record<string, never>;
  status: "Success" | "Failure";
  message?: string;
  reason?: string;
  details?: StatusDetails;
  code: number;
}

/** Reason → HTTP code. */
export const statusCodes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  ServerTimeout: 500,
} as const;

export type StatusReason = keyof typeof statusCodes;

/** The error that every API operation throws; `status` is what the client receives. Test `reason`, never the text. */
export class StatusError extends Error {
  readonly status: Status;
  constructor(status: Status, options?: ErrorOptions) {
    super(status.message ?? status.reason ?? "unknown", options);
    this.status = status;
  }
  get reason(): string | undefined {
    return this.status.reason;
  }
  get code(): number {
    return this.status.code;
  }
}

export function isReason(error: unknown, ...reasons: StatusReason[]): error is StatusError {
  return error instanceof StatusError && reasons.includes(error.status.reason as StatusReason);
}

export function statusError(reason: StatusReason, message: string, details?: StatusDetails): StatusError {
  return new StatusError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details ? { details } : {}),
    code: statusCodes[reason],
  });
}

/** A group and resource (plural) as messages name it: `deployments.apps`, `pods`. */
export interface GroupResource {
  group: string;
  resource: string;
}

const named = ({ group, resource }: GroupResource) => (group ? `${resource}.${group}` : resource);
const details = ({ group, resource }: GroupResource, name: string): StatusDetails => ({
  ...(name ? { name } : {}),
  ...(group ? { group } : {}),
  kind: resource,
});

export const notFound = (what: GroupResource, name: string) =>
  statusError("NotFound", `${named(what)} "${name}" not found`, details(what, name));

export const alreadyExists = (what: GroupResource, name: string) =>
  statusError("AlreadyExists", `${named(what)} "${name}" already exists`, details(what, name));

export const conflict = (what: GroupResource, name: string, why: string) =>
  statusError("Conflict", `Operation cannot be fulfilled on ${named(what)} "${name}": ${why}`, details(what, name));

export const staleResourceVersion = (what: GroupResource, name: string) =>
  conflict(what, name, "the object has been modified; please apply your changes to the latest version and try again");

export const forbidden = (what: GroupResource, name: string, why: string) =>
  statusError("Forbidden", `${named(what)}${name ? ` "${name}"` : ""} is forbidden: ${why}`, details(what, name));

export const badRequest = (message: string) => statusError("BadRequest", message);
export const unauthorized = (message = "Unauthorized") => statusError("Unauthorized", message);
export const internalError = (message: string) =>
  statusError("InternalError", `Internal error occurred: ${message}`, { causes: [{ message }] });
export const expired = (message: string) => statusError("Expired", message);
export const methodNotSupported = (what: GroupResource, verb: string) =>
  statusError("MethodNotAllowed", `${verb} is not supported on resources of kind "${named(what)}"`, details(what, ""));
export const tooManyRequests = (message: string, retryAfterSeconds: number) =>
  statusError("TooManyRequests", message, { retryAfterSeconds });
export const serviceUnavailable = (message: string) => statusError("ServiceUnavailable", message);
export const unsupportedMediaType = (message: string) => statusError("UnsupportedMediaType", message);
export const notAcceptable = (message: string) => statusError("NotAcceptable", message);
export const requestEntityTooLarge = (message: string) => statusError("RequestEntityTooLarge", message);

export type FieldErrorType =
  | "FieldValueRequired"
  | "FieldValueInvalid"
  | "FieldValueDuplicate"
  | "FieldValueNotFound"
  | "FieldValueNotSupported"
  | "FieldValueForbidden"
  | "FieldValueTooLong"
  | "FieldValueTooMany"
  | "FieldValueTypeInvalid"
  | "InternalError";

/** One complaint about one field; validation collects them all. `field` is a path such as `spec.containers[0].name`. */
export interface FieldError {
  readonly type: FieldErrorType;
  readonly field: string;
  readonly message: string;
}

/** A kind by group and kind name, as Invalid errors name it: `Deployment.apps "web" is invalid: …`. */
export function invalid(
  kind: { group: string; kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const causes = errors.map(({ type, field, message }) => ({ reason: type, message, field }));
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const text = texts.length === 1 ? texts[0] : `[${texts.join(", ")}]`;
  const title = kind.group ? `${kind.kind}.${kind.group}` : kind.kind;
  return statusError("Invalid", `${title} "${name}" is invalid${text ? `: ${text}` : ""}`, {
    ...(name ? { name } : {}),
    ...(kind.group ? { group: kind.group } : {}),
    kind: kind.kind,
    causes,
  });
}
