// LimitRange: bounds and defaults for the resources of single objects in a namespace.
import type * as core from "../generated/core.v1.ts";
import { column, nameColumn } from "../columns.ts";
import { validateLimitRange } from "./limit-range-validation.ts";
import { defineKind } from "../kind.ts";

export type LimitRange = core.LimitRange;

export const LimitRange = defineKind<LimitRange>("v1", "LimitRange", {
  shortNames: ["limits"],
  columns: [nameColumn, column("Created At", (range) => range.metadata.creationTimestamp, { type: "date" })],
  defaults: (draft) => {
    for (const item of draft.spec?.limits ?? []) {
      if (item.type !== "Container") continue;
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
  validate: validateLimitRange,
});
