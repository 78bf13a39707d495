// Ingress: routes HTTP from outside to Services.
import type * as networking from "../generated/networking.v1.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { validateIngress, validateIngressStatusUpdate } from "./ingress-validation.ts";

export type Ingress = networking.Ingress;

const shownHosts = 3;

function hostsText({ spec }: Ingress): string {
  const hosts = [...new Set((spec?.rules ?? []).map(({ host }) => host).filter(Boolean))];
  if (hosts.length === 0) return "*";
  const shown = hosts.slice(0, shownHosts).join(",");
  return hosts.length > shownHosts ? `${shown} + ${hosts.length - shownHosts} more...` : shown;
}

export const Ingress = defineKind<Ingress>("networking.k8s.io/v1", "Ingress", {
  shortNames: ["ing"],
  hasGeneration: true,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Class", ({ spec }) => spec?.ingressClassName ?? "<none>"),
    column("Hosts", hostsText),
    column("Address", ({ status }) =>
      [...new Set((status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || hostname))].join(","),
    ),
    column("Ports", ({ spec }) => (spec?.tls?.length ? "80, 443" : "80")),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({ loadBalancer: {} }),
  validate: validateIngress,
  validateStatusUpdate: validateIngressStatusUpdate,
});
