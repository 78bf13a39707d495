// Service: a stable name and address for a set of pods.
import type * as core from "../generated/core.v1.ts";
import { ageColumn, column, listOrNone, labelsOrNone, nameColumn, wideColumn } from "../columns.ts";
import { isExternallyAccessible, validateService, validateServiceUpdate } from "./service-validation.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type Service = core.Service;

const portText = (port: core.ServicePort): string =>
  `${port.port}${port.nodePort ? `:${port.nodePort}` : ""}/${port.protocol}`;

function externalAddress({ spec, status }: core.Service): string {
  const own = spec?.externalIPs ?? [];
  switch (spec?.type) {
    case "ExternalName":
      return spec.externalName ?? "";
    case "LoadBalancer": {
      const given = (status?.loadBalancer?.ingress ?? [])
        .map(({ ip, hostname }) => ip || hostname || "")
        .filter(Boolean);
      const all = [...new Set(given), ...own];
      return all.length > 0 ? all.join(",") : "<pending>";
    }
    default:
      return listOrNone(own);
  }
}

const affinitySeconds = 10_800;

function defaultSpec(spec: core.ServiceSpec): void {
  spec.sessionAffinity ||= "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  else if (spec.sessionAffinity === "ClientIP" && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: affinitySeconds } };
  }
  spec.type ||= "ClusterIP";
  for (const port of spec.ports ?? []) {
    port.protocol ||= "TCP";
    port.targetPort ||= port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
}

export const Service = defineKind<Service>("v1", "Service", {
  nameRule: "label1035",
  shortNames: ["svc"],
  categories: ["all"],
  subresources: { status: true, special: ["proxy"] },
  selectableFields: {
    "spec.clusterIP": (service) => service.spec?.clusterIP ?? "",
    "spec.type": (service) => service.spec?.type ?? "",
  },
  columns: [
    nameColumn,
    column("Type", (service) => service.spec?.type ?? ""),
    column("Cluster-IP", ({ spec }) => spec?.clusterIPs?.[0] || spec?.clusterIP || "<none>"),
    column("External-IP", externalAddress),
    column("Port(s)", ({ spec }) => listOrNone((spec?.ports ?? []).map(portText))),
    ageColumn,
    wideColumn("Selector", (service) => labelsOrNone(service.spec?.selector)),
  ],
  defaults: (draft) => {
    if (draft.spec) defaultSpec(draft.spec);
  },
  prepareForCreate: statusAtFirst({ loadBalancer: {} }),
  validate: validateService,
  validateUpdate: validateServiceUpdate,
});
