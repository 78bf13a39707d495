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
import { all, among, complaints, each, type Errors, fields, may, must, oneOf, portNumber, repeats } from "../checks.ts";
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
  const reason = unreachable.find(([v4, v6]) => (isIPv4(ip) ? v4.test(ip) : v6.test(ip.toLowerCase())))?.[2];
  return reason ? [invalidValue(at, ip, reason)] : [];
}

const unreachable: readonly (readonly [v4: RegExp, v6: RegExp, why: string])[] = [
  [/^0\.0\.0\.0$/, /^[0:]+$/, "may not be unspecified (0.0.0.0 or ::)"],
  [/^127\./, /^[0:]+:0*1$/, "may not be in the loopback range (127.0.0.0/8, ::1/128)"],
  [/^169\.254\./, /^fe[89ab][0-9a-f]:/, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"],
  [/^224\.0\.0\./, /^ff02:/, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"],
];

function validatePort(at: string, port: ServicePort, { many, type }: { many: boolean; type?: string }): Errors {
  const { targetPort: target, nodePort } = port;
  const inward = type === "ClusterIP" || type === "ExternalName";
  return fields(at, port, {
    name: many ? must(dnsLabelErrors) : may(dnsLabelErrors),
    port: portNumber,
    protocol: among(protocols),
    targetPort: (field) =>
      typeof target === "number"
        ? portNumber(field, target)
        : target && complaints(field, target, portNameErrors(target)),
    appProtocol: (field, name) => name !== undefined && complaints(field, name, qualifiedNameErrors(name)),
    nodePort: (field) =>
      nodePort &&
      (inward ? forbiddenField(field, `may not be used when \`type\` is '${type}'`) : portNumber(field, nodePort)),
  });
}

function validatePorts(spec: ServiceSpec): Errors {
  const at = "spec.ports";
  const ports = spec.ports ?? [];
  if (ports.length === 0) {
    return spec.type === "ExternalName" || spec.clusterIP === headless ? [] : [required(at)];
  }
  const [nameAgain, numberAgain, nodePortAgain] = [repeats(), repeats(), repeats()];
  return each(at, ports, (here, port) => {
    const { name, port: number, protocol, nodePort } = port;
    return all(
      validatePort(here, port, { many: ports.length > 1, type: spec.type }),
      name && nameAgain(name) && duplicate(path(here, "name"), name),
      numberAgain(`${protocol}/${number}`) && duplicate(here, { port: number, protocol }),
      nodePort && nodePortAgain(`${protocol}/${nodePort}`) && duplicate(path(here, "nodePort"), nodePort),
    );
  });
}

function validateAddresses(spec: ServiceSpec): Errors {
  const addresses = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  const at = "spec.clusterIPs";
  if (spec.type === "ExternalName") {
    return addresses.length > 0 ? [forbiddenField(at, "may not be set when `type` is 'ExternalName'")] : [];
  }
  const first = path(at, 0);
  const { type } = spec;
  const differs = spec.clusterIPs?.length && (spec.clusterIP ?? "") !== spec.clusterIPs[0];
  return all(
    differs && invalidValue(at, spec.clusterIPs, "first value must match `clusterIP`"),
    ...(addresses[0] === headless
      ? [
          addresses.length > 1 && invalidValue(first, headless, "'None' must be the first and only value"),
          (type === "LoadBalancer" || type === "NodePort") &&
            invalidValue(first, headless, `may not be set to 'None' for ${type} services`),
        ]
      : [
          addresses.length > 2 && invalidValue(at, addresses, "may only hold up to 2 values"),
          each(at, addresses, (here, ip) => complaints(here, ip, ipErrors(ip))),
        ]),
  );
}

function validateFamilies(spec: ServiceSpec): Errors {
  const { ipFamilies = [], ipFamilyPolicy: policy } = spec;
  const external = spec.type === "ExternalName";
  const text = "may not be set when `type` is 'ExternalName'";
  const field = "spec.ipFamilyPolicy";
  return all(
    external && ipFamilies.length > 0 && forbiddenField("spec.ipFamilies", text),
    policy !== undefined &&
      (external
        ? forbiddenField(field, text)
        : oneOf(field, policy, ["PreferDualStack", "RequireDualStack", "SingleStack"])),
    each("spec.ipFamilies", ipFamilies, (at, family, i) =>
      all(oneOf(at, family, ["IPv4", "IPv6"]), ipFamilies.indexOf(family) < i && duplicate(at, family)),
    ),
  );
}

function validateAffinity({ sessionAffinity: affinity, sessionAffinityConfig: config }: ServiceSpec): Errors {
  const at = "spec.sessionAffinityConfig";
  const seconds = config?.clientIP?.timeoutSeconds ?? 0;
  const wrong = seconds < 1 || seconds > longestAffinitySeconds;
  const text = `must be greater than 0 and less than ${longestAffinitySeconds}`;
  return all(
    oneOf("spec.sessionAffinity", affinity, ["ClientIP", "None"]),
    affinity === "None" && config && forbiddenField(at, "must not be set when session affinity is None"),
    affinity === "ClientIP" && wrong && invalidValue(path(at, "clientIP", "timeoutSeconds"), seconds, text),
  );
}

function validateTrafficPolicies(spec: ServiceSpec): Errors {
  const policies = ["Cluster", "Local"];
  const balanced = spec.type === "LoadBalancer";
  const unchecked = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
  const inward = "may only be set for externally-accessible services";
  return fields("spec", spec, {
    externalTrafficPolicy: (at, policy) =>
      isExternallyAccessible(spec) ? oneOf(at, policy, policies) : policy && invalidValue(at, policy, inward),
    healthCheckNodePort: (at, port) =>
      port &&
      (balanced && spec.externalTrafficPolicy === "Local" ? portNumber(at, port) : invalidValue(at, port, unchecked)),
    internalTrafficPolicy: (at, policy) =>
      (policy !== undefined || spec.type !== "ExternalName") && oneOf(at, policy, policies),
    trafficDistribution: (at, wanted) =>
      wanted !== undefined && oneOf(at, wanted, ["PreferClose", "PreferSameNode", "PreferSameZone"]),
  });
}

function validateLoadBalancer(spec: ServiceSpec): Errors {
  const { loadBalancerSourceRanges: ranges, allocateLoadBalancerNodePorts, loadBalancerClass } = spec;
  if (spec.type === "LoadBalancer") {
    return all(
      each("spec.loadBalancerSourceRanges", ranges, (at, range) => complaints(at, range, cidrErrors(range.trim()))),
      allocateLoadBalancerNodePorts === undefined && required("spec.allocateLoadBalancerNodePorts"),
      loadBalancerClass !== undefined &&
        complaints("spec.loadBalancerClass", loadBalancerClass, qualifiedNameErrors(loadBalancerClass)),
    );
  }
  const only = (name: string) => forbiddenField(`spec.${name}`, "may only be used when `type` is 'LoadBalancer'");
  return all(
    ranges?.length && only("LoadBalancerSourceRanges"),
    allocateLoadBalancerNodePorts !== undefined && only("allocateLoadBalancerNodePorts"),
    loadBalancerClass !== undefined && only("loadBalancerClass"),
  );
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
  const [now, before] = [next.spec, old.spec];
  if (!now || !before) return [];
  const text = "may not change once set";
  const both = (isMeant: (spec: ServiceSpec) => boolean) => isMeant(now) && isMeant(before);
  const address = before.clusterIPs?.[0] ?? before.clusterIP;
  const moved = address && (now.clusterIPs?.[0] ?? now.clusterIP) !== address;
  const classed = now.loadBalancerClass !== before.loadBalancerClass;
  return all(
    moved &&
      both(({ type }) => type !== "ExternalName") &&
      invalidValue("spec.clusterIPs[0]", now.clusterIPs ?? [], text),
    classed &&
      both(({ type }) => type === "LoadBalancer") &&
      invalidValue("spec.loadBalancerClass", now.loadBalancerClass ?? null, text),
  );
}
