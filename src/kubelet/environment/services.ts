// Environment variables that describe Services. Follows kubernetes v1.36 pkg/kubelet/envvars/envvars.go (FromServices).
import type { Service } from "../../kinds/generated/core.v1.ts";

const envName = (name: string): string => name.toUpperCase().replaceAll("-", "_");

/** The Services whose variables a pod sees: those of its namespace (with links on), and always the API server's own. */
export function visibleServices(services: readonly Service[], namespace: string, links: boolean): Service[] {
  const visible = new Map<string, Service>();
  for (const service of services) {
    const ip = service.spec?.clusterIP;
    if (!ip || ip === "None") continue;
    const { name, namespace: home } = service.metadata;
    if (home === namespace && links) visible.set(name, service);
    else if (home === "default" && name === "kubernetes" && !visible.has(name)) visible.set(name, service);
  }
  return [...visible.values()];
}

export function serviceVariables(services: readonly Service[]): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { metadata, spec } of services) {
    const ip = spec?.clusterIP ?? "";
    const ports = spec?.ports ?? [];
    if (ports.length === 0) continue;
    const prefix = envName(metadata.name);
    variables[`${prefix}_SERVICE_HOST`] = ip;
    variables[`${prefix}_SERVICE_PORT`] = String(ports[0]!.port);
    for (const { name, port } of ports) if (name) variables[`${prefix}_SERVICE_PORT_${envName(name)}`] = String(port);
    for (const [index, { port, protocol = "TCP" }] of ports.entries()) {
      const url = `${protocol.toLowerCase()}://${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
      if (index === 0) variables[`${prefix}_PORT`] = url;
      const portPrefix = `${prefix}_PORT_${port}_${protocol.toUpperCase()}`;
      variables[portPrefix] = url;
      variables[`${portPrefix}_PROTO`] = protocol.toLowerCase();
      variables[`${portPrefix}_PORT`] = String(port);
      variables[`${portPrefix}_ADDR`] = ip;
    }
  }
  return variables;
}
