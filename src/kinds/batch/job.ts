// Job: runs pods until a number of them succeeded.
import type * as batch from "../generated/batch.v1.ts";
import { defineKind } from "../kind.ts";

export type Job = batch.Job;

export const Job = defineKind<batch.Job>({
  group: "batch",
  version: "v1",
  kind: "Job",
  plural: "jobs",
  categories: ["all"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
  selectableFields: {
    "status.successful": (o) => String(o.status?.succeeded ?? 0),
  },
});
