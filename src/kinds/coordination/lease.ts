// Lease: who holds a lock, until when.
import type * as coordination from "../generated/coordination.v1.ts";
import { defineKind } from "../kind.ts";

export type Lease = coordination.Lease;

export const Lease = defineKind<coordination.Lease>({
  group: "coordination.k8s.io",
  version: "v1",
  kind: "Lease",
  plural: "leases",
});
