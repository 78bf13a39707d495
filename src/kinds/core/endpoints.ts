// Endpoints: the addresses behind a service, in the form before EndpointSlice.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { validateEndpoints } from "./endpoints-validation.ts";
import { defineKind } from "../kind.ts";

export type Endpoints = core.Endpoints;

const shown = 3;

/** The first few addresses, each with each port. */
function addresses({ subsets = [] }: core.Endpoints): string {
  if (subsets.length === 0) return "<none>";
  const all = subsets.flatMap(({ addresses: ready = [], ports = [] }) =>
    ports.length === 0
      ? ready.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => ready.map(({ ip }) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`))),
  );
  const first = all.slice(0, shown).join(",");
  return all.length > shown ? `${first} + ${all.length - shown} more...` : first;
}

export const Endpoints = defineKind<Endpoints>("v1", "Endpoints", {
  plural: "endpoints",
  singular: "endpoints",
  shortNames: ["ep"],
  columns: [nameColumn, column("Endpoints", addresses), ageColumn],
  defaults: (draft) => {
    for (const subset of draft.subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= "TCP";
  },
  validate: validateEndpoints,
});
