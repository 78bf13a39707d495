// All built-in kinds: each by name (value and type), and the list that a server starts with.
import { coreKinds } from "./core/index.ts";
import { otherKinds } from "./groups.ts";
import type { AnyKind } from "./registry.ts";

export * from "./core/index.ts";
export * from "./groups.ts";

export const builtinKinds: readonly AnyKind[] = [...coreKinds, ...otherKinds];
