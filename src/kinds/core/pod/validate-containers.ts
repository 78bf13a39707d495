// Which containers are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (validateContainers,
// validateInitContainers, validateEphemeralContainers).
import { duplicate, forbiddenField, invalidValue, notFoundValue, path, required } from "../../../machinery/field.ts";
import { dnsLabelErrors, envVarNameErrors, portNameErrors } from "../../../machinery/names.ts";
import type {
  Container,
  ContainerPort,
  EnvFromSource,
  EnvVar,
  EphemeralContainer,
  PodSpec,
} from "../../generated/core.v1.ts";
import { complaints, each, type Errors, named, oneOf, portNumber, present } from "../../checks.ts";
import { validateLifecycle, validateProbes } from "./validate-handlers.ts";
import { validateDevices, validateMounts } from "./validate-mounts.ts";
import {
  environmentFields,
  validateFieldReference,
  validateKeyReference,
  validateResourceReference,
} from "./validate-references.ts";
import { validateResources } from "./validate-resources.ts";
import { validateContainerSecurity } from "./validate-security.ts";

export const protocols = ["SCTP", "TCP", "UDP"];

function validatePorts(ports: readonly ContainerPort[] | undefined, at: string): Errors {
  const names = new Set<string>();
  return each(at, ports, (here, port) => {
    const errors: Errors = [];
    if (port.name) {
      const bad = complaints(path(here, "name"), port.name, portNameErrors(port.name));
      if (bad.length === 0 && names.has(port.name)) errors.push(duplicate(path(here, "name"), port.name));
      names.add(port.name);
      errors.push(...bad);
    }
    if (!port.containerPort) errors.push(required(path(here, "containerPort")));
    else errors.push(...portNumber(path(here, "containerPort"), port.containerPort));
    if (port.hostPort) errors.push(...portNumber(path(here, "hostPort"), port.hostPort));
    return errors.concat(oneOf(path(here, "protocol"), port.protocol, protocols));
  });
}

function validateValueSource(variable: EnvVar, at: string): Errors {
  const source = variable.valueFrom;
  if (!source) return [];
  const here = path(at, "valueFrom");
  const set = Object.keys(source);
  if (set.length === 0) {
    const names = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
    return [invalidValue(here, "", `must specify one of: ${names}`)];
  }
  const errors: Errors = [];
  if (variable.value) errors.push(invalidValue(here, "", "may not be specified when `value` is not empty"));
  if (set.length > 1) errors.push(invalidValue(here, "", "may not have more than one field specified at a time"));
  if (source.fieldRef)
    errors.push(...validateFieldReference(source.fieldRef, environmentFields, path(here, "fieldRef")));
  if (source.resourceFieldRef) {
    errors.push(
      ...validateResourceReference(source.resourceFieldRef, path(here, "resourceFieldRef"), { inVolume: false }),
    );
  }
  if (source.configMapKeyRef)
    errors.push(...validateKeyReference(source.configMapKeyRef, path(here, "configMapKeyRef")));
  if (source.secretKeyRef) errors.push(...validateKeyReference(source.secretKeyRef, path(here, "secretKeyRef")));
  if (source.fileKeyRef) {
    errors.push(...present(path(here, "fileKeyRef", "volumeName"), source.fileKeyRef.volumeName));
    errors.push(...present(path(here, "fileKeyRef", "path"), source.fileKeyRef.path));
    errors.push(...named(path(here, "fileKeyRef", "key"), source.fileKeyRef.key, envVarNameErrors));
  }
  return errors;
}

const validateEnvironment = (variables: readonly EnvVar[] | undefined, at: string): Errors =>
  each(at, variables, (here, variable) => [
    ...named(path(here, "name"), variable.name, envVarNameErrors),
    ...validateValueSource(variable, here),
  ]);

const validateEnvironmentFrom = (sources: readonly EnvFromSource[] | undefined, at: string): Errors =>
  each(at, sources, (here, source) => {
    const errors = source.prefix
      ? complaints(path(here, "prefix"), source.prefix, envVarNameErrors(source.prefix))
      : [];
    if (source.configMapRef) errors.push(...present(path(here, "configMapRef", "name"), source.configMapRef.name));
    if (source.secretRef) errors.push(...present(path(here, "secretRef", "name"), source.secretRef.name));
    const count = Number(source.configMapRef !== undefined) + Number(source.secretRef !== undefined);
    if (count === 0)
      errors.push(invalidValue(path(here, "valueFrom"), "", "must specify one of: `configMapRef` or `secretRef`"));
    if (count > 1)
      errors.push(invalidValue(path(here, "valueFrom"), "", "may not have more than one field specified at a time"));
    return errors;
  });

/** What all containers of a pod are checked against. */
interface PodParts {
  readonly volumes: ReadonlySet<string>;
  /** Volumes that may be given to a container as a device: they come from a claim. */
  readonly claimVolumes: ReadonlySet<string>;
  readonly resourceClaims: ReadonlySet<string>;
}

function partsOf(spec: PodSpec): PodParts {
  const volumes = spec.volumes ?? [];
  return {
    volumes: new Set(volumes.map(({ name }) => name)),
    claimVolumes: new Set(
      volumes.filter((volume) => volume.persistentVolumeClaim ?? volume.ephemeral).map(({ name }) => name),
    ),
    resourceClaims: new Set((spec.resourceClaims ?? []).map(({ name }) => name)),
  };
}

function validateCommon(container: Container | EphemeralContainer, at: string, parts: PodParts): Errors {
  const image = container.image ?? "";
  const errors = named(path(at, "name"), container.name, dnsLabelErrors);
  if (image === "") errors.push(required(path(at, "image")));
  else if (image !== image.trim())
    errors.push(invalidValue(path(at, "image"), image, "must not have leading or trailing whitespace"));
  return [
    ...errors,
    ...oneOf(path(at, "terminationMessagePolicy"), container.terminationMessagePolicy, [
      "FallbackToLogsOnError",
      "File",
    ]),
    ...oneOf(path(at, "imagePullPolicy"), container.imagePullPolicy, ["Always", "IfNotPresent", "Never"]),
    ...validatePorts(container.ports, path(at, "ports")),
    ...validateEnvironment(container.env, path(at, "env")),
    ...validateEnvironmentFrom(container.envFrom, path(at, "envFrom")),
    ...validateMounts(container, parts.volumes, path(at, "volumeMounts")),
    ...validateDevices(container, parts.claimVolumes, path(at, "volumeDevices")),
    ...validateResources(container.resources, path(at, "resources"), parts.resourceClaims),
    ...validateContainerSecurity(container.securityContext, path(at, "securityContext")),
    ...each(path(at, "resizePolicy"), container.resizePolicy, (here, policy) => [
      ...oneOf(path(here, "resourceName"), policy.resourceName, ["cpu", "memory"]),
      ...oneOf(path(here, "restartPolicy"), policy.restartPolicy, ["NotRequired", "RestartContainer"]),
    ]),
  ];
}

function validateRestart(container: Container, at: string): Errors {
  const errors: Errors = [];
  if (container.restartPolicy !== undefined) {
    errors.push(...oneOf(path(at, "restartPolicy"), container.restartPolicy, ["Always", "Never", "OnFailure"]));
  }
  const rules = path(at, "restartPolicyRules");
  if (container.restartPolicyRules?.length && container.restartPolicy === undefined) {
    errors.push(required(path(at, "restartPolicy"), "must specify restartPolicy when restart rules are used"));
  }
  const rule = each(rules, container.restartPolicyRules, (here, { action, exitCodes }) => [
    ...oneOf(path(here, "action"), action, ["Restart", "RestartAllContainers"]),
    ...(exitCodes
      ? oneOf(path(here, "exitCodes", "operator"), exitCodes.operator, ["In", "NotIn"])
      : [required(path(here, "exitCodes"), "must be specified")]),
  ]);
  return errors.concat(rule);
}

function namesOnce(names: Set<string>, name: string, at: string): Errors {
  if (names.has(name)) return [duplicate(path(at, "name"), name)];
  names.add(name);
  return [];
}

const validateContainer = (container: Container, at: string, parts: PodParts, grace: number | undefined): Errors => [
  ...validateCommon(container, at, parts),
  ...validateRestart(container, at),
  ...validateLifecycle(container.lifecycle, path(at, "lifecycle"), grace),
  ...validateProbes(container, at),
];

const startOnly = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;

function validateInit(container: Container, at: string, parts: PodParts, grace: number | undefined): Errors {
  if (container.restartPolicy === "Always") return validateContainer(container, at, parts, grace);
  const errors = [...validateCommon(container, at, parts), ...validateRestart(container, at)];
  const text = "may not be set for init containers without restartPolicy=Always";
  const set = startOnly.filter((field) => container[field] !== undefined);
  return [...errors, ...set.map((field) => forbiddenField(path(at, field), text))];
}

function hostPortConflicts(spec: PodSpec, at: string): Errors {
  const seen = new Set<string>();
  return each(path(at, "containers"), spec.containers, (here, container) =>
    each(path(here, "ports"), container.ports, (portAt, port) => {
      if (!port.hostPort) return [];
      const errors: Errors = [];
      const text = `${port.protocol}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (seen.has(text)) errors.push(duplicate(path(portAt, "hostPort"), text));
      seen.add(text);
      if (spec.hostNetwork && port.hostPort !== port.containerPort) {
        errors.push(
          invalidValue(
            path(portAt, "hostPort"),
            port.hostPort,
            "must match `containerPort` when `hostNetwork` is true",
          ),
        );
      }
      return errors;
    }),
  );
}

/** Fields that an ephemeral container has no use for. */
const notEphemeral = ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"] as const;

/** Ephemeral containers of a pod; `names` are the names that are taken. */
function validateEphemeralContainers(spec: PodSpec, at: string, names: Set<string>): Errors {
  const parts = partsOf(spec);
  const regular = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name));
  return each(path(at, "ephemeralContainers"), spec.ephemeralContainers, (here, container) => {
    const errors = [...validateCommon(container, here, parts), ...namesOnce(names, container.name, here)];
    const target = container.targetContainerName;
    if (target && !regular.has(target)) errors.push(notFoundValue(path(here, "targetContainerName"), target));
    const unused = notEphemeral.filter((field) => container[field] !== undefined);
    if (Object.keys(container.resources ?? {}).length > 0)
      errors.push(forbiddenField(path(here, "resources"), "cannot be set for an Ephemeral Container"));
    for (const field of unused)
      errors.push(forbiddenField(path(here, field), "cannot be set for an Ephemeral Container"));
    for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
      for (const field of ["subPath", "subPathExpr"] as const) {
        if (mount[field])
          errors.push(forbiddenField(path(here, "volumeMounts", i, field), "cannot be set for an Ephemeral Container"));
      }
    }
    return errors;
  });
}

/** The fields that containers are checked against. */
const context = ["volumes", "resourceClaims", "terminationGracePeriodSeconds"] as const;

/** All containers of a pod spec; those of `known` were found good before. */
export function validateContainers(spec: PodSpec, at: string, known?: PodSpec): Errors {
  const settled = known && context.every((field) => spec[field] === known[field]) ? known.containers : undefined;
  const parts = partsOf(spec);
  const names = new Set<string>();
  const grace = spec.terminationGracePeriodSeconds;
  const errors: Errors = spec.containers?.length ? [] : [required(path(at, "containers"))];
  errors.push(
    ...each(path(at, "containers"), spec.containers, (here, container, i) => [
      ...(container === settled?.[i] ? [] : validateContainer(container, here, parts, grace)),
      ...namesOnce(names, container.name, here),
    ]),
    ...each(path(at, "initContainers"), spec.initContainers, (here, container) => [
      ...validateInit(container, here, parts, grace),
      ...namesOnce(names, container.name, here),
    ]),
    ...validateEphemeralContainers(spec, at, names),
    ...hostPortConflicts(spec, at),
  );
  return errors;
}
