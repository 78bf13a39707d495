// Which pod specs, templates and pods are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go
// (ValidatePodSpec, ValidatePodTemplateSpec, ValidatePodCreate).
import { duplicate, forbiddenField, invalidValue, path, required, tooMany } from "../../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, ipErrors, qualifiedNameErrors } from "../../../machinery/names.ts";
import { labelErrors } from "../../../machinery/selector.ts";
import type { HostAlias, Pod, PodDNSConfig, PodSpec, PodTemplateSpec } from "../../generated/core.v1.ts";
import {
  complaints,
  each,
  eachEntry,
  type Errors,
  named,
  oneOf,
  optionallyNamed,
  optionallyOneOf,
  present,
  quantityNotNegative,
  within,
} from "../../checks.ts";
import { validateAffinity, validateSpread, validateTolerations } from "./validate-affinity.ts";
import { validateContainers } from "./validate-containers.ts";
import { validatePodLevelResources } from "./validate-resources.ts";
import { validatePodSecurity } from "./validate-security.ts";
import { validateVolumes } from "./validate-volumes.ts";

const maxNameservers = 3;
const maxSearchDomains = 32;

function validateDns(spec: PodSpec, at: string): Errors {
  const errors = oneOf(path(at, "dnsPolicy"), spec.dnsPolicy, [
    "ClusterFirst",
    "ClusterFirstWithHostNet",
    "Default",
    "None",
  ]);
  const config: PodDNSConfig | undefined = spec.dnsConfig;
  const here = path(at, "dnsConfig");
  if (spec.dnsPolicy === "None") {
    const where = config ? path(here, "nameservers") : here;
    if (!config?.nameservers?.length)
      errors.push(required(where, "must provide at least one DNS nameserver when `dnsPolicy` is None"));
  }
  if (!config) return errors;
  const servers = config.nameservers ?? [];
  const searches = config.searches ?? [];
  if (servers.length > maxNameservers)
    errors.push(invalidValue(path(here, "nameservers"), servers, "must not have more than 3 nameservers"));
  if (searches.length > maxSearchDomains)
    errors.push(invalidValue(path(here, "searches"), searches, "must not have more than 32 search paths"));
  return errors.concat(
    each(path(here, "nameservers"), servers, (each_, server) => complaints(each_, server, ipErrors(server))),
    each(path(here, "searches"), searches, (each_, domain) =>
      domain === "."
        ? []
        : complaints(each_, domain, dnsSubdomainErrors(domain.replace(/\.$/, "").replaceAll("_", "x"))),
    ),
    each(path(here, "options"), config.options, (each_, option) => present(path(each_, "name"), option.name)),
  );
}

const validateAliases = (aliases: readonly HostAlias[] | undefined, at: string): Errors =>
  each(at, aliases, (here, { ip, hostnames }) => [
    ...complaints(path(here, "ip"), ip ?? "", ipErrors(ip ?? "")),
    ...each(path(here, "hostnames"), hostnames, (each_, name) => complaints(each_, name, dnsSubdomainErrors(name))),
  ]);

function validateGates(spec: PodSpec, at: string): Errors {
  const gates = spec.schedulingGates ?? [];
  const seen = new Set<string>();
  const errors = each(path(at, "schedulingGates"), gates, (here, { name }) => {
    const again = seen.has(name);
    seen.add(name);
    return [
      ...complaints(here, name ?? "", qualifiedNameErrors(name ?? "")),
      ...(again ? [duplicate(here, name)] : []),
    ];
  });
  if (gates.length > 0 && spec.nodeName) {
    errors.push(forbiddenField(path(at, "nodeName"), "cannot be set until all schedulingGates have been cleared"));
  }
  return errors;
}

function validateHostSharing(spec: PodSpec, at: string): Errors {
  const errors: Errors = [];
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(
      invalidValue(path(at, "shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"),
    );
  }
  if (spec.hostUsers === false) {
    for (const field of ["hostNetwork", "hostPID", "hostIPC"] as const) {
      if (spec[field]) errors.push(forbiddenField(path(at, field), "when `hostUsers` is false"));
    }
  }
  if (spec.hostnameOverride !== undefined) {
    const here = path(at, "hostnameOverride");
    errors.push(...complaints(here, spec.hostnameOverride, dnsSubdomainErrors(spec.hostnameOverride)));
    if (spec.hostnameOverride.length > 64) errors.push(tooMany(here, spec.hostnameOverride.length, 64));
    if (spec.setHostnameAsFQDN)
      errors.push(forbiddenField(path(at, "setHostnameAsFQDN"), "may not be set to true if hostnameOverride is set"));
    if (spec.hostNetwork) errors.push(forbiddenField(here, "may not be set if hostNetwork is true"));
  }
  return errors;
}

function validateClaims(spec: PodSpec, at: string): Errors {
  const seen = new Set<string>();
  return each(path(at, "resourceClaims"), spec.resourceClaims, (here, claim) => {
    const errors = named(path(here, "name"), claim.name, dnsLabelErrors);
    if (seen.has(claim.name)) errors.push(duplicate(path(here, "name"), claim.name));
    seen.add(claim.name);
    const count = Number(claim.resourceClaimName !== undefined) + Number(claim.resourceClaimTemplateName !== undefined);
    if (count !== 1) {
      const text = "exactly one of `resourceClaimName`, `resourceClaimTemplateName` is required";
      errors.push(invalidValue(here, claim, text));
    }
    return errors;
  });
}

/** The spec of a pod or template at `at`, with defaults filled in; parts of `known` were found good before. */
function validatePodSpec(spec: PodSpec, at: string, known?: PodSpec): Errors {
  if (spec === known) return [];
  return [
    ...(known && spec.volumes === known.volumes ? [] : validateVolumes(spec.volumes, path(at, "volumes"))),
    ...validateContainers(spec, at, known),
    ...oneOf(path(at, "restartPolicy"), spec.restartPolicy, ["Always", "OnFailure", "Never"]),
    ...validateDns(spec, at),
    ...labelErrors(spec.nodeSelector, path(at, "nodeSelector")),
    ...validatePodSecurity(spec.securityContext, path(at, "securityContext")),
    ...validateHostSharing(spec, at),
    ...validateAffinity(spec.affinity, path(at, "affinity")),
    ...validateTolerations(spec.tolerations, path(at, "tolerations")),
    ...validateSpread(spec.topologySpreadConstraints, path(at, "topologySpreadConstraints")),
    ...validateAliases(spec.hostAliases, path(at, "hostAliases")),
    ...validateGates(spec, at),
    ...validateClaims(spec, at),
    ...validatePodLevelResources(spec.resources, path(at, "resources")),
    ...each(path(at, "readinessGates"), spec.readinessGates, (here, { conditionType }) =>
      complaints(path(here, "conditionType"), conditionType ?? "", qualifiedNameErrors(conditionType ?? "")),
    ),
    ...optionallyNamed(path(at, "serviceAccountName"), spec.serviceAccountName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "nodeName"), spec.nodeName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "priorityClassName"), spec.priorityClassName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "runtimeClassName"), spec.runtimeClassName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "schedulerName"), spec.schedulerName, dnsSubdomainErrors),
    ...optionallyNamed(path(at, "hostname"), spec.hostname, dnsLabelErrors),
    ...optionallyNamed(path(at, "subdomain"), spec.subdomain, dnsLabelErrors),
    ...optionallyOneOf(path(at, "preemptionPolicy"), spec.preemptionPolicy, ["Never", "PreemptLowerPriority"]),
    ...(spec.os ? oneOf(path(at, "os", "name"), spec.os.name, ["linux", "windows"]) : []),
    ...eachEntry(path(at, "overhead"), spec.overhead, quantityNotNegative),
    ...within(path(at, "activeDeadlineSeconds"), spec.activeDeadlineSeconds, 1, 2 ** 31 - 1),
  ];
}

/** The template of a workload at `at`, with defaults filled in. */
export function validatePodTemplate(template: PodTemplateSpec | undefined, at: string): Errors {
  const spec = template?.spec;
  const metadata = template?.metadata;
  const errors = [
    ...labelErrors(metadata?.labels, path(at, "metadata", "labels")),
    ...Object.keys(metadata?.annotations ?? {}).flatMap((key) =>
      complaints(path(at, "metadata", "annotations"), key, qualifiedNameErrors(key.toLowerCase())),
    ),
  ];
  if (!spec) return [...errors, required(path(at, "spec", "containers"))];
  errors.push(...validatePodSpec(spec, path(at, "spec")));
  if (spec.ephemeralContainers?.length) {
    errors.push(
      forbiddenField(path(at, "spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template"),
    );
  }
  return errors;
}

/** A pod, new or changed. Parts of the spec of `known` were found good before. */
export function validatePod(pod: Pod, known?: Pod): Errors {
  const spec = pod.spec;
  if (!spec) return [required("spec.containers")];
  const errors = validatePodSpec(spec, "spec", known?.spec);
  const isNew = !pod.metadata.resourceVersion;
  if (isNew && spec.ephemeralContainers?.length) {
    errors.push(forbiddenField("spec.ephemeralContainers", "cannot be set on create"));
  }
  return errors;
}
