// PersistentVolume: a piece of storage.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";

export type PersistentVolume = core.PersistentVolume;

export const PersistentVolume = defineKind<core.PersistentVolume>({
  group: "",
  version: "v1",
  kind: "PersistentVolume",
  plural: "persistentvolumes",
  namespaced: false,
  shortNames: ["pv"],
  subresources: { status: true },
});
