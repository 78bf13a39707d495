// The table of special subresources: one row each, beyond the generic verbs.
import type { PatchType } from "../../client/client.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { methodNotSupported, statusError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { authorize } from "../core/authorize.ts";
import { resourceOf } from "../core/core.ts";
import type { Core } from "../core/core.ts";
import type { ObjectTarget, RequestContext, WriteParameters } from "../types.ts";
import { bind } from "./binding.ts";
import { evict } from "./eviction.ts";
import { approve, finalize, updateEphemeralContainers, resize } from "./replacing.ts";
import { scale } from "./scale.ts";
import { issueToken } from "./token.ts";

export interface SpecialRequest {
  readonly context: RequestContext;
  readonly kind: AnyKind;
  readonly target: ObjectTarget;
  readonly subresource: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH";
  readonly body: unknown;
  readonly patchType?: PatchType;
  readonly parameters: WriteParameters;
}

export type SpecialHandler = (core: Core, request: SpecialRequest) => Promise<KubeObject>;

interface Row {
  readonly methods: readonly SpecialRequest["method"][];
  readonly run: SpecialHandler;
}

const readWrite = ["GET", "PUT", "PATCH"] as const;

const rows: Readonly<Record<string, Row>> = {
  "/pods/binding": { methods: ["POST"], run: bind },
  "/pods/eviction": { methods: ["POST"], run: evict },
  "/pods/ephemeralcontainers": { methods: readWrite, run: updateEphemeralContainers },
  "/pods/resize": { methods: readWrite, run: resize },
  "/serviceaccounts/token": { methods: ["POST"], run: issueToken },
  "/namespaces/finalize": { methods: ["PUT", "POST"], run: finalize },
  "certificates.k8s.io/certificatesigningrequests/approval": { methods: readWrite, run: approve },
};

const verbs = { GET: "get", POST: "create", PUT: "update", PATCH: "patch" } as const;

/** Answers a special subresource. Throws StatusError. */
export async function special(core: Core, request: SpecialRequest): Promise<KubeObject> {
  const { context, kind, target, subresource, method } = request;
  const row: Row | undefined =
    subresource === "scale" && kind.subresources?.scale
      ? { methods: readWrite, run: scale }
      : rows[`${kind.group}/${kind.plural}/${subresource}`];
  if (!row) throw statusError("NotFound", "the server could not find the requested resource");
  if (!row.methods.includes(method)) throw methodNotSupported(resourceOf(kind), verbs[method]);
  authorize(core.authorizer, context, kind, verbs[method], target, subresource);
  return row.run(core, request);
}
