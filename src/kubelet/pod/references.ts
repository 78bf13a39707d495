// Which ConfigMaps, Secrets and claims a pod uses.
import type { Pod, PodSpec, Volume } from "../../kinds/generated/core.v1.ts";
import { allContainers, specOf } from "./model.ts";

export type ConfigurationKind = "configMap" | "secret" | "claim" | "volume";

/** Specs are immutable, so what they name is worked out once. */
const known = new WeakMap<PodSpec, ReadonlySet<string>>();

export const claimsVolume = ({ persistentVolumeClaim, ephemeral }: Volume): boolean =>
  Boolean(persistentVolumeClaim ?? ephemeral);

/** `configMap/name`, `secret/name`, `claim/name`. */
export function referencesOf(pod: Pod): ReadonlySet<string> {
  const spec = specOf(pod);
  let references = known.get(spec);
  if (!references) known.set(spec, (references = collect(pod, spec)));
  return references;
}

function collect(pod: Pod, spec: PodSpec): Set<string> {
  const found = new Set<string>();
  const add = (kind: ConfigurationKind, name: string | undefined) => name && found.add(`${kind}/${name}`);
  for (const { name } of spec.imagePullSecrets ?? []) add("secret", name);
  for (const container of allContainers(spec)) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      add("configMap", configMapRef?.name);
      add("secret", secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      add("configMap", valueFrom?.configMapKeyRef?.name);
      add("secret", valueFrom?.secretKeyRef?.name);
    }
  }
  for (const volume of spec.volumes ?? []) {
    add("configMap", volume.configMap?.name);
    add("secret", volume.secret?.secretName);
    add("claim", volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral) add("claim", `${pod.metadata.name}-${volume.name}`);
    for (const source of volume.projected?.sources ?? []) {
      add("configMap", source.configMap?.name);
      add("secret", source.secret?.name);
    }
  }
  return found;
}
