// What a configMap, secret, downwardAPI or projected volume holds. Pure. Follows kubernetes v1.36 pkg/volume/{configmap,
// secret,downwardapi,projected} (MakePayload, CollectData).
import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from "../../kinds/generated/core.v1.ts";
import type { ConfigSources } from "../environment/env.ts";
import { type Allocatable, fieldValue, type PodAddresses, resourceValue } from "../environment/fields.ts";
import { specOf } from "../pod/model.ts";
import type { VolumeFile } from "./atomic.ts";

export interface PayloadSources extends ConfigSources {
  readonly addresses: PodAddresses;
  readonly allocatable: Allocatable;
  /** A current token for the projection; throws while there is none. */
  token(projection: ServiceAccountTokenProjection): string;
}

/** A volume cannot be filled (yet): an object or key is missing, or the field is not supported. */
export class VolumeError extends Error {}

export const isPayloadVolume = ({ configMap, secret, downwardAPI, projected }: Volume): boolean =>
  Boolean(configMap ?? secret ?? downwardAPI ?? projected);

const defaultMode = 0o644;
type Files = Map<string, VolumeFile>;

/** The files of the volume. Throws VolumeError. */
export function volumePayload(pod: Pod, volume: Volume, sources: PayloadSources): Files {
  const files: Files = new Map();
  const { configMap, secret, downwardAPI, projected } = volume;
  if (configMap) {
    const { name = "", items, optional, defaultMode: mode = defaultMode } = configMap;
    addConfigMap(files, pod, { name, items, optional, mode }, sources);
  } else if (secret) {
    const { secretName: name = "", items, optional, defaultMode: mode = defaultMode } = secret;
    addSecret(files, pod, { name, items, optional, mode }, sources);
  } else if (downwardAPI) addDownward(files, pod, downwardAPI.items, downwardAPI.defaultMode ?? defaultMode, sources);
  else if (projected)
    for (const source of projected.sources ?? [])
      addProjection(files, pod, source, projected.defaultMode ?? defaultMode, sources);
  return files;
}

function addProjection(files: Files, pod: Pod, source: VolumeProjection, mode: number, sources: PayloadSources): void {
  const { configMap, secret, downwardAPI, serviceAccountToken } = source;
  if (configMap) addConfigMap(files, pod, { ...configMap, name: configMap.name ?? "", mode }, sources);
  else if (secret) addSecret(files, pod, { ...secret, name: secret.name ?? "", mode }, sources);
  else if (downwardAPI) addDownward(files, pod, downwardAPI.items, mode, sources);
  else if (serviceAccountToken) {
    const { fsGroup, runAsUser } = ownershipOf(pod);
    const restricted = fsGroup !== undefined || runAsUser !== undefined;
    files.set(serviceAccountToken.path, {
      content: Buffer.from(sources.token(serviceAccountToken)),
      mode: restricted ? 0o600 : mode,
      ...(fsGroup === undefined && runAsUser !== undefined ? { uid: runAsUser } : {}),
    });
  } else throw new VolumeError(`projected source ${Object.keys(source).join(", ")} is not supported`);
}

/** The group of the pod's volumes, and the one user that all its containers run as, if it is one. */
export function ownershipOf(pod: Pod): { fsGroup: number | undefined; runAsUser: number | undefined } {
  const spec = specOf(pod);
  const users = new Set(
    [...(spec.initContainers ?? []), ...spec.containers].map(
      ({ securityContext }) => securityContext?.runAsUser ?? spec.securityContext?.runAsUser,
    ),
  );
  return { fsGroup: spec.securityContext?.fsGroup, runAsUser: users.size === 1 ? [...users][0] : undefined };
}

interface Reference {
  readonly name: string;
  readonly items?: readonly KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
  readonly mode: number;
}

function addConfigMap(files: Files, pod: Pod, reference: Reference, sources: PayloadSources): void {
  const map = sources.configMap(reference.name);
  if (!map && !reference.optional) throw new VolumeError(`configmap "${reference.name}" not found`);
  addData(files, configMapBytes(map), reference, () => `${pod.metadata.namespace}/${reference.name}`);
}

function configMapBytes(map: ConfigMap | undefined): Record<string, Uint8Array> {
  const bytes: Record<string, Uint8Array> = {};
  for (const [key, text] of Object.entries(map?.data ?? {})) bytes[key] = Buffer.from(text);
  for (const [key, text] of Object.entries(map?.binaryData ?? {})) bytes[key] = Buffer.from(text, "base64");
  return bytes;
}

function addSecret(files: Files, pod: Pod, reference: Reference, sources: PayloadSources): void {
  const secret: Secret | undefined = sources.secret(reference.name);
  if (!secret && !reference.optional) throw new VolumeError(`secret "${reference.name}" not found`);
  const bytes = Object.entries(secret?.data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const);
  addData(files, Object.fromEntries(bytes), reference, () => `${pod.metadata.namespace}/${reference.name}`);
}

function addData(
  files: Files,
  data: Readonly<Record<string, Uint8Array>>,
  { items, optional, mode }: Reference,
  title: () => string,
): void {
  if (!items?.length) {
    for (const [key, content] of Object.entries(data)) files.set(key, { content, mode });
    return;
  }
  for (const { key, path, mode: own } of items) {
    const content = data[key];
    if (content) files.set(path, { content, mode: own ?? mode });
    else if (!optional) throw new VolumeError(`references non-existent key: ${key} in ${title()}`);
  }
}

function addDownward(
  files: Files,
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[] | undefined,
  mode: number,
  sources: PayloadSources,
): void {
  for (const { path, fieldRef, resourceFieldRef, mode: own } of items ?? []) {
    const text = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, sources.addresses)
      : resourceFieldRef && resourceValue(pod, undefined, resourceFieldRef, sources.allocatable);
    if (text === undefined) throw new VolumeError(`unsupported downwardAPI field: ${fieldRef?.fieldPath ?? path}`);
    files.set(path, { content: Buffer.from(text), mode: own ?? mode });
  }
}
