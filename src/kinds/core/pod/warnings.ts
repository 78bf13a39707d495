// What a client is warned of although the pod is accepted. Follows kubernetes v1.36 pkg/api/pod/warnings.go.
import { path } from "../../../machinery/field.ts";
import { parseQuantity } from "../../../machinery/quantity.ts";
import type { Container, PodSpec } from "../../generated/core.v1.ts";

const oldNodeLabels: Readonly<Record<string, string>> = {
  "beta.kubernetes.io/arch": `deprecated since v1.14; use "kubernetes.io/arch" instead`,
  "beta.kubernetes.io/os": `deprecated since v1.14; use "kubernetes.io/os" instead`,
  "failure-domain.beta.kubernetes.io/region": `deprecated since v1.17; use "topology.kubernetes.io/region" instead`,
  "failure-domain.beta.kubernetes.io/zone": `deprecated since v1.17; use "topology.kubernetes.io/zone" instead`,
  "beta.kubernetes.io/instance-type": `deprecated since v1.17; use "node.kubernetes.io/instance-type" instead`,
};

function containerWarnings(container: Container, at: string): string[] {
  const out: string[] = [];
  const names = new Set<string>();
  container.env?.forEach(({ name }, i) => {
    if (names.has(name)) {
      out.push(`${path(at, "env", i)}: hides previous definition of "${name}", which may be dropped when using apply`);
    }
    names.add(name);
  });
  for (const which of ["limits", "requests"] as const) {
    for (const name of ["memory", "ephemeral-storage"]) {
      const quantity = container.resources?.[which]?.[name];
      if (quantity !== undefined && parseQuantity(quantity).nanos % 1_000_000_000n !== 0n) {
        const where = `${path(at, "resources", which)}[${name}]`;
        out.push(`${where}: fractional byte value "${quantity}" is invalid, must be an integer`);
      }
    }
  }
  const ports = new Map<string, string>();
  container.ports?.forEach((port, i) => {
    const here = path(at, "ports", i);
    const key = `${port.containerPort}/${port.protocol}/${port.hostIP ?? ""}/${port.hostPort ?? 0}`;
    const first = ports.get(key);
    if (first !== undefined) out.push(`${here}: duplicate port definition with ${first}`);
    else ports.set(key, here);
  });
  return out;
}

/** Warnings about the spec of a pod or template at `at`. */
export function podSpecWarnings(spec: PodSpec | undefined, at: string): string[] {
  if (!spec) return [];
  const out: string[] = [];
  for (const key in spec.nodeSelector) {
    if (oldNodeLabels[key]) out.push(`${path(at, "nodeSelector")}[${key}]: ${oldNodeLabels[key]}`);
  }
  for (const field of ["initContainers", "containers"] as const) {
    for (const [i, container] of (spec[field] ?? []).entries()) {
      out.push(...containerWarnings(container, path(at, field, i)));
    }
  }
  for (const [i, secret] of (spec.imagePullSecrets ?? []).entries()) {
    if (!secret.name) out.push(`${path(at, "imagePullSecrets", i, "name")}: invalid empty name ""`);
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const where = path(at, "terminationGracePeriodSeconds");
    out.push(`${where}: must be >= 0; negative values are invalid and will be treated as 1`);
  }
  return out;
}

const known = new WeakMap<PodSpec, readonly string[]>();

/** The same for the spec of a pod about to be stored, which is one with that of many others and never written to again. */
export function podWarnings(spec: PodSpec | undefined): readonly string[] {
  if (!spec) return [];
  let warnings = known.get(spec);
  if (!warnings) known.set(spec, (warnings = podSpecWarnings(spec, "spec")));
  return warnings;
}
