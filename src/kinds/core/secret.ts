// Secret: confidential keys and values.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type Secret = core.Secret;

export const Secret = defineKind<core.Secret>({
  group: "",
  version: "v1",
  kind: "Secret",
  plural: "secrets",
  selectableFields: { type: (secret) => secret.type ?? "" },
});
