// The environment of a container: Services, envFrom, env, in this order, with references expanded.
// Follows kubernetes v1.36 pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables).
import type { ConfigMap, EnvVarSource, Pod, Secret, Service } from "../../kinds/generated/core.v1.ts";
import { type AnyContainer, specOf } from "../pod/model.ts";
import { expandReferences } from "./expand.ts";
import { type Allocatable, fieldValue, type PodAddresses, resourceValue } from "./fields.ts";
import { serviceVariables, visibleServices } from "./services.ts";

/** A container cannot be configured as its spec says; `message` is for the user (reason CreateContainerConfigError). */
export class ConfigError extends Error {}

/** Objects of the pod's namespace, by name. */
export interface ConfigSources {
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
}

export interface EnvSources extends ConfigSources {
  services(): readonly Service[];
  readonly addresses: PodAddresses;
  readonly allocatable: Allocatable;
}

/** Throws ConfigError when something that is not optional is missing. */
export function makeEnvironment(pod: Pod, container: AnyContainer, sources: EnvSources): Map<string, string> {
  const { enableServiceLinks = true } = specOf(pod);
  const services = serviceVariables(
    visibleServices(sources.services(), pod.metadata.namespace ?? "", enableServiceLinks),
  );
  const environment = new Map<string, string>();
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? "";
    for (const [kind, ref] of [
      ["ConfigMap", source.configMapRef],
      ["Secret", source.secretRef],
    ] as const) {
      const texts = (ref && textsOf(kind, ref, sources)) ?? {};
      for (const key of Object.keys(texts).sort()) environment.set(prefix + key, texts[key]!);
    }
  }
  const lookup = (name: string) => environment.get(name) ?? services[name];
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = valueFrom ? valueOf(pod, container, valueFrom, sources) : expandReferences(value ?? "", lookup);
    if (text !== undefined) environment.set(name, text);
  }
  for (const [name, value] of Object.entries(services)) if (!environment.has(name)) environment.set(name, value);
  return environment;
}

function valueOf(pod: Pod, container: AnyContainer, from: EnvVarSource, sources: EnvSources): string | undefined {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = from;
  if (fieldRef) {
    const value = fieldValue(pod, fieldRef.fieldPath, sources.addresses);
    if (value === undefined) throw new ConfigError(`unsupported fieldPath: ${fieldRef.fieldPath}`);
    return value;
  }
  if (resourceFieldRef)
    return asConfigError(() => resourceValue(pod, container, resourceFieldRef, sources.allocatable));
  for (const [kind, ref] of [
    ["ConfigMap", configMapKeyRef],
    ["Secret", secretKeyRef],
  ] as const) {
    if (!ref) continue;
    const { name = "", key, optional } = ref;
    const texts = textsOf(kind, ref, sources);
    if (texts && texts[key] === undefined && !optional)
      throw new ConfigError(`couldn't find key ${key} in ${kind} ${pod.metadata.namespace}/${name}`);
    return texts?.[key];
  }
  throw new ConfigError("env valueFrom.fileKeyRef is not supported");
}

const decode = (base64: string) => Buffer.from(base64, "base64").toString("utf8");

/** What a ConfigMap or Secret holds as texts; undefined when it is not there and need not be. */
function textsOf(
  kind: "ConfigMap" | "Secret",
  { name = "", optional = false }: { readonly name?: string; readonly optional?: boolean },
  sources: ConfigSources,
): Readonly<Record<string, string>> | undefined {
  const object = kind === "ConfigMap" ? sources.configMap(name) : sources.secret(name);
  if (object === undefined && !optional) throw new ConfigError(`${kind.toLowerCase()} "${name}" not found`);
  if (kind === "ConfigMap" || !object) return object && (object.data ?? {});
  return Object.fromEntries(Object.entries(object.data ?? {}).map(([key, base64]) => [key, decode(base64)]));
}

function asConfigError<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error });
  }
}
