// All built-in kinds: each by name (value and type), and the list that a server starts with.
import * as core from "./core/index.ts";
import * as others from "./groups.ts";
import type { AnyKind } from "./registry.ts";

export * from "./core/index.ts";
export * from "./groups.ts";

export const builtinKinds: readonly AnyKind[] = [...Object.values(core), ...Object.values(others)];
