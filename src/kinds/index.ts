// All built-in kinds: each by name (value and type), and the list that a server starts with.
import { coreKinds } from "./core/index.ts";
import type { AnyKind } from "./registry.ts";

export * from "./core/index.ts";

export const builtinKinds: readonly AnyKind[] = [...coreKinds];
