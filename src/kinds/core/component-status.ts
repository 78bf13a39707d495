// ComponentStatus: deprecated; whether the parts of the control plane work. Answered on the spot, never stored.
import type * as core from "../generated/core.v1.ts";
import { column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type ComponentStatus = core.ComponentStatus;

const health = (object: ComponentStatus) => object.conditions?.find(({ type }) => type === "Healthy");
const verdicts: Readonly<Record<string, string>> = { True: "Healthy", False: "Unhealthy" };

export const ComponentStatus = defineKind<ComponentStatus>("v1", "ComponentStatus", {
  namespaced: false,
  shortNames: ["cs"],
  verbs: ["get", "list"],
  columns: [
    nameColumn,
    column("Status", (object) => verdicts[health(object)?.status ?? ""] ?? "Unknown"),
    column("Message", (object) => health(object)?.message ?? ""),
    column("Error", (object) => health(object)?.error ?? ""),
  ],
});
