// Server-side apply: creates what is not there, merges by field ownership otherwise.
import type { AnyKind } from "../../kinds/registry.ts";
import { unsupportedMediaType } from "../../machinery/errors.ts";
import type { ObjectTarget, RequestContext, WriteParameters } from "../types.ts";
import type { Core } from "./core.ts";
import type { Written } from "./update.ts";

export function apply(
  _core: Core,
  _context: RequestContext,
  _kind: AnyKind,
  _target: ObjectTarget,
  _value: unknown,
  _parameters: WriteParameters,
): Promise<Written> {
  throw unsupportedMediaType("server-side apply is not there yet");
}
