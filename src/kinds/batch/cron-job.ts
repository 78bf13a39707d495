// CronJob: starts Jobs at times.
import type * as batch from "../generated/batch.v1.ts";
import { defineKind } from "../kind.ts";

export type CronJob = batch.CronJob;

export const CronJob = defineKind<batch.CronJob>({
  group: "batch",
  version: "v1",
  kind: "CronJob",
  plural: "cronjobs",
  shortNames: ["cj"],
  categories: ["all"],
  hasGeneration: true,
  subresources: {
    status: true,
  },
});
