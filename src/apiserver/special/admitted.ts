// Admission of bodies that are not the stored object: Bindings, Evictions, Scales, TokenRequests, reviews, options of streams.
import { apiVersionOf } from "../../kinds/kind.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { admit, type AdmissionRequest, type ObjectKind } from "../admission/chain.ts";
import { Transaction, type Core } from "../core/core.ts";
import type { SpecialRequest } from "./index.ts";

export interface Body {
  readonly operation: AdmissionRequest["operation"];
  readonly object: object;
  readonly old?: KubeObject;
  /** Its type, when it is not the kind of the request. */
  readonly type?: ObjectKind;
}

/** The body as admission leaves it. Throws StatusError when it is refused. */
export async function admitted(
  core: Core,
  { context, kind, target, subresource, parameters }: Omit<SpecialRequest, "method" | "body">,
  { operation, object, old, type }: Body,
): Promise<KubeObject> {
  const named = type ?? kind;
  const request: AdmissionRequest = {
    operation,
    kind,
    resource: `${kind.group}/${kind.plural}`,
    subresource,
    namespace: target.namespace,
    name: target.name,
    object: { ...object, apiVersion: apiVersionOf(named), kind: named.kind } as KubeObject,
    ...(old ? { old } : {}),
    ...(type ? { objectKind: type } : {}),
    ...(operation === "CONNECT" ? {} : { parameters }),
    user: context.user,
    trusted: context.trusted,
    transaction: new Transaction(parameters.dryRun ?? false),
    warnings: context.warnings,
    auditAnnotations: context.auditAnnotations,
  };
  const waiting = admit(core.admission, request);
  if (waiting) await waiting;
  request.transaction.settle(false);
  return request.object;
}
