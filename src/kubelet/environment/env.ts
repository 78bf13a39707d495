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
    if (source.configMapRef) {
      const { name = "", optional = false } = source.configMapRef;
      const data = requireObject(sources.configMap(name), "configmap", name, optional)?.data ?? {};
      for (const key of Object.keys(data).sort()) environment.set(prefix + key, data[key]!);
    }
    if (source.secretRef) {
      const { name = "", optional = false } = source.secretRef;
      const data = requireObject(sources.secret(name), "secret", name, optional)?.data ?? {};
      for (const key of Object.keys(data).sort()) environment.set(prefix + key, decode(data[key]!));
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
  if (configMapKeyRef) {
    const { name = "", key, optional = false } = configMapKeyRef;
    const map = requireObject(sources.configMap(name), "configmap", name, optional);
    const value = map?.data?.[key];
    if (value === undefined && map && !optional) throw missingKey(key, "ConfigMap", pod, name);
    return value;
  }
  if (secretKeyRef) {
    const { name = "", key, optional = false } = secretKeyRef;
    const secret = requireObject(sources.secret(name), "secret", name, optional);
    const value = secret?.data?.[key];
    if (value === undefined && secret && !optional) throw missingKey(key, "Secret", pod, name);
    return value === undefined ? undefined : decode(value);
  }
  throw new ConfigError("env valueFrom.fileKeyRef is not supported");
}

const decode = (base64: string) => Buffer.from(base64, "base64").toString("utf8");

const missingKey = (key: string, kind: string, pod: Pod, name: string) =>
  new ConfigError(`couldn't find key ${key} in ${kind} ${pod.metadata.namespace}/${name}`);

function requireObject<T>(object: T | undefined, resource: string, name: string, optional: boolean): T | undefined {
  if (object === undefined && !optional) throw new ConfigError(`${resource} "${name}" not found`);
  return object;
}

function asConfigError<T>(body: () => T): T {
  try {
    return body();
  } catch (error) {
    throw new ConfigError((error as Error).message, { cause: error });
  }
}
