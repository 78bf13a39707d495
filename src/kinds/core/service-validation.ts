// Which services and changes of services are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (ValidateService, ValidateServiceUpdate).
import { duplicate, forbiddenField, invalidValue, notSupported, path, required } from "../../machinery/field.ts";
import {
  cidrErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  ipErrors,
  isIPv4,
  portNameErrors,
  qualifiedNameErrors,
} from "../../machinery/names.ts";
import { labelErrors } from "../../machinery/selector.ts";
import type { Service, ServicePort, ServiceSpec } from "../generated/core.v1.ts";
import { complaints, each, type Errors, oneOf, portNumber, within } from "../checks.ts";
import { protocols } from "./pod/validate-containers.ts";

const types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const headless = "None";
const longestAffinitySeconds = 86_400;

/** Reachable from outside: by a node port, a load balancer, or addresses of its own. */
export const isExternallyAccessible = (spec: ServiceSpec): boolean =>
  spec.type === "LoadBalancer" ||
  spec.type === "NodePort" ||
  (spec.type === "ClusterIP" && (spec.externalIPs?.length ?? 0) > 0);

/** Addresses that cannot be served: nobody could reach them, or everybody would. */
export function unreachableErrors(at: string, ip: string): Errors {
  const bad = ipErrors(ip);
  if (bad.length > 0) return complaints(at, ip, bad);
  const reason = isIPv4(ip) ? unreachableV4(ip) : unreachableV6(ip.toLowerCase());
  return reason ? [invalidValue(at, ip, reason)] : [];
}

const ranges = {
  unspecified: "may not be unspecified",
  loopback: "may not be in the loopback range",
  linkLocal: "may not be in the link-local range",
  multicast: "may not be in the link-local multicast range",
};

function unreachableV4(ip: string): string | undefined {
  if (ip === "0.0.0.0") return `${ranges.unspecified} (0.0.0.0 or ::)`;
  if (ip.startsWith("127.")) return `${ranges.loopback} (127.0.0.0/8, ::1/128)`;
  if (ip.startsWith("169.254.")) return `${ranges.linkLocal} (169.254.0.0/16, fe80::/10)`;
  if (ip.startsWith("224.0.0.")) return `${ranges.multicast} (224.0.0.0/24, ff02::/10)`;
  return undefined;
}

function unreachableV6(ip: string): string | undefined {
  if (/^[0:]+$/.test(ip)) return `${ranges.unspecified} (0.0.0.0 or ::)`;
  if (/^[0:]+:0*1$/.test(ip)) return `${ranges.loopback} (127.0.0.0/8, ::1/128)`;
  if (/^fe[89ab][0-9a-f]:/.test(ip)) return `${ranges.linkLocal} (169.254.0.0/16, fe80::/10)`;
  if (ip.startsWith("ff02:")) return `${ranges.multicast} (224.0.0.0/24, ff02::/10)`;
  return undefined;
}

function validatePort(port: ServicePort, at: string, { many, spec }: { many: boolean; spec: ServiceSpec }): Errors {
  const errors: Errors = [];
  if (port.name) errors.push(...complaints(path(at, "name"), port.name, dnsLabelErrors(port.name)));
  else if (many) errors.push(required(path(at, "name")));
  errors.push(...portNumber(path(at, "port"), port.port), ...oneOf(path(at, "protocol"), port.protocol, protocols));
  const target = port.targetPort;
  if (typeof target === "number") errors.push(...portNumber(path(at, "targetPort"), target));
  else if (target) errors.push(...complaints(path(at, "targetPort"), target, portNameErrors(target)));
  if (port.appProtocol !== undefined) {
    errors.push(...complaints(path(at, "appProtocol"), port.appProtocol, qualifiedNameErrors(port.appProtocol)));
  }
  if (port.nodePort && (spec.type === "ClusterIP" || spec.type === "ExternalName")) {
    errors.push(forbiddenField(path(at, "nodePort"), `may not be used when \`type\` is '${spec.type}'`));
  } else if (port.nodePort) errors.push(...portNumber(path(at, "nodePort"), port.nodePort));
  return errors;
}

function validatePorts(spec: ServiceSpec): Errors {
  const at = "spec.ports";
  const ports = spec.ports ?? [];
  if (ports.length === 0) {
    return spec.type === "ExternalName" || spec.clusterIP === headless ? [] : [required(at)];
  }
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  const again = (seen: Set<string>, key: string) => seen.size === seen.add(key).size;
  return each(at, ports, (here, port) => {
    const errors = validatePort(port, here, { many: ports.length > 1, spec });
    if (port.name && again(names, port.name)) errors.push(duplicate(path(here, "name"), port.name));
    if (again(numbers, `${port.protocol}/${port.port}`)) {
      errors.push(duplicate(here, { port: port.port, protocol: port.protocol }));
    }
    if (port.nodePort && again(nodePorts, `${port.protocol}/${port.nodePort}`)) {
      errors.push(duplicate(path(here, "nodePort"), port.nodePort));
    }
    return errors;
  });
}

function validateAddresses(spec: ServiceSpec): Errors {
  const addresses = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  const at = "spec.clusterIPs";
  if (spec.type === "ExternalName") {
    return addresses.length > 0 ? [forbiddenField(at, "may not be set when `type` is 'ExternalName'")] : [];
  }
  const errors: Errors = [];
  if (spec.clusterIPs?.length && (spec.clusterIP ?? "") !== spec.clusterIPs[0]) {
    errors.push(invalidValue(at, spec.clusterIPs, "first value must match `clusterIP`"));
  }
  if (addresses[0] === headless) {
    if (addresses.length > 1)
      errors.push(invalidValue(path(at, 0), headless, "'None' must be the first and only value"));
    if (spec.type === "LoadBalancer" || spec.type === "NodePort") {
      errors.push(invalidValue(path(at, 0), headless, `may not be set to 'None' for ${spec.type} services`));
    }
    return errors;
  }
  if (addresses.length > 2) errors.push(invalidValue(at, addresses, "may only hold up to 2 values"));
  return errors.concat(each(at, addresses, (here, ip) => complaints(here, ip, ipErrors(ip))));
}

function validateFamilies(spec: ServiceSpec): Errors {
  const errors: Errors = [];
  const { ipFamilies = [], ipFamilyPolicy } = spec;
  const external = spec.type === "ExternalName";
  if (external && ipFamilies.length > 0)
    errors.push(forbiddenField("spec.ipFamilies", "may not be set when `type` is 'ExternalName'"));
  if (external && ipFamilyPolicy !== undefined) {
    errors.push(forbiddenField("spec.ipFamilyPolicy", "may not be set when `type` is 'ExternalName'"));
  } else if (ipFamilyPolicy !== undefined) {
    errors.push(
      ...oneOf("spec.ipFamilyPolicy", ipFamilyPolicy, ["PreferDualStack", "RequireDualStack", "SingleStack"]),
    );
  }
  ipFamilies.forEach((family, index) => {
    errors.push(...oneOf(path("spec.ipFamilies", index), family, ["IPv4", "IPv6"]));
    if (ipFamilies.indexOf(family) < index) errors.push(duplicate(path("spec.ipFamilies", index), family));
  });
  return errors;
}

function validateAffinity(spec: ServiceSpec): Errors {
  const errors = oneOf("spec.sessionAffinity", spec.sessionAffinity, ["ClientIP", "None"]);
  const at = "spec.sessionAffinityConfig";
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig) {
    errors.push(forbiddenField(at, "must not be set when session affinity is None"));
  } else if (spec.sessionAffinity === "ClientIP" && within(at, seconds ?? 0, 1, longestAffinitySeconds).length > 0) {
    const text = `must be greater than 0 and less than ${longestAffinitySeconds}`;
    errors.push(invalidValue(path(at, "clientIP", "timeoutSeconds"), seconds ?? 0, text));
  }
  return errors;
}

function validateTrafficPolicies(spec: ServiceSpec): Errors {
  const errors: Errors = [];
  const policies = ["Cluster", "Local"];
  const { externalTrafficPolicy, internalTrafficPolicy, healthCheckNodePort, trafficDistribution } = spec;
  if (isExternallyAccessible(spec))
    errors.push(...oneOf("spec.externalTrafficPolicy", externalTrafficPolicy, policies));
  else if (externalTrafficPolicy) {
    errors.push(
      invalidValue(
        "spec.externalTrafficPolicy",
        externalTrafficPolicy,
        "may only be set for externally-accessible services",
      ),
    );
  }
  const checked = spec.type === "LoadBalancer" && externalTrafficPolicy === "Local";
  if (healthCheckNodePort && !checked) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalidValue("spec.healthCheckNodePort", healthCheckNodePort, text));
  } else if (healthCheckNodePort) errors.push(...portNumber("spec.healthCheckNodePort", healthCheckNodePort));
  if (internalTrafficPolicy !== undefined || spec.type !== "ExternalName") {
    errors.push(...oneOf("spec.internalTrafficPolicy", internalTrafficPolicy, policies));
  }
  if (trafficDistribution !== undefined) {
    errors.push(
      ...oneOf("spec.trafficDistribution", trafficDistribution, ["PreferClose", "PreferSameNode", "PreferSameZone"]),
    );
  }
  return errors;
}

function validateLoadBalancer(spec: ServiceSpec): Errors {
  const errors: Errors = [];
  const only = "may only be used when `type` is 'LoadBalancer'";
  if (spec.type === "LoadBalancer") {
    errors.push(
      ...each("spec.loadBalancerSourceRanges", spec.loadBalancerSourceRanges, (at, range) =>
        complaints(at, range, cidrErrors(range.trim())),
      ),
    );
    if (spec.allocateLoadBalancerNodePorts === undefined) errors.push(required("spec.allocateLoadBalancerNodePorts"));
    if (spec.loadBalancerClass !== undefined) {
      errors.push(
        ...complaints("spec.loadBalancerClass", spec.loadBalancerClass, qualifiedNameErrors(spec.loadBalancerClass)),
      );
    }
    return errors;
  }
  if (spec.loadBalancerSourceRanges?.length) errors.push(forbiddenField("spec.LoadBalancerSourceRanges", only));
  if (spec.allocateLoadBalancerNodePorts !== undefined)
    errors.push(forbiddenField("spec.allocateLoadBalancerNodePorts", only));
  if (spec.loadBalancerClass !== undefined) errors.push(forbiddenField("spec.loadBalancerClass", only));
  return errors;
}

function validateExternalName(spec: ServiceSpec): Errors {
  if (spec.type !== "ExternalName") return [];
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  return name === ""
    ? [required("spec.externalName")]
    : complaints("spec.externalName", name, dnsSubdomainErrors(name));
}

/** A service with defaults filled in; addresses and node ports may still be missing. */
export function validateService({ spec }: Service): Errors {
  if (!spec) return [required("spec.ports")];
  return [
    ...validatePorts(spec),
    ...(spec.type && types.includes(spec.type) ? [] : [notSupported("spec.type", spec.type ?? "", types)]),
    ...validateExternalName(spec),
    ...validateAddresses(spec),
    ...validateFamilies(spec),
    ...labelErrors(spec.selector, "spec.selector"),
    ...validateAffinity(spec),
    ...each("spec.externalIPs", spec.externalIPs, unreachableErrors),
    ...validateTrafficPolicies(spec),
    ...validateLoadBalancer(spec),
  ];
}

/** Addresses stay, unless the service was or becomes a mere name; so does the class of a load balancer. */
export function validateServiceUpdate(next: Service, old: Service): Errors {
  const errors: Errors = [];
  const [now, before] = [next.spec, old.spec];
  if (!now || !before) return errors;
  const text = "may not change once set";
  if (now.type !== "ExternalName" && before.type !== "ExternalName") {
    const address = before.clusterIPs?.[0] ?? before.clusterIP;
    const asked = now.clusterIPs?.[0] ?? now.clusterIP;
    if (address && asked !== address) errors.push(invalidValue("spec.clusterIPs[0]", now.clusterIPs ?? [], text));
  }
  if (
    now.type === "LoadBalancer" &&
    before.type === "LoadBalancer" &&
    now.loadBalancerClass !== before.loadBalancerClass
  ) {
    errors.push(invalidValue("spec.loadBalancerClass", now.loadBalancerClass ?? null, text));
  }
  return errors;
}
