// Which volumes of a pod are refused. Follows kubernetes v1.36 pkg/apis/core/validation/validation.go (ValidateVolumes).
import { duplicate, invalidValue, path, required } from "../../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors } from "../../../machinery/names.ts";
import type { DownwardAPIVolumeFile, Volume, VolumeProjection } from "../../generated/core.v1.ts";
import {
  backstepErrors,
  each,
  type Errors,
  exactlyOne,
  named,
  oneOf,
  optionallyOneOf,
  present,
  quantityNotNegative,
  relativePathErrors,
} from "../../checks.ts";
import { schemaOf } from "../../schema.ts";
import { validateClaimSpec } from "../persistent-volume-claim.ts";
import {
  validateFieldReference,
  validateKeyPaths,
  validateMode,
  validateResourceReference,
  volumeFields,
} from "./validate-references.ts";

const hostPathTypes = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

const downwardItems = (items: readonly DownwardAPIVolumeFile[] | undefined, at: string): Errors =>
  each(at, items, (here, item) => {
    const errors = item.path ? relativePathErrors(path(here, "path"), item.path) : [required(path(here, "path"))];
    if (item.fieldRef && item.resourceFieldRef) {
      errors.push(invalidValue(here, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
    } else if (item.fieldRef)
      errors.push(...validateFieldReference(item.fieldRef, volumeFields, path(here, "fieldRef")));
    else if (item.resourceFieldRef) {
      errors.push(
        ...validateResourceReference(item.resourceFieldRef, path(here, "resourceFieldRef"), { inVolume: true }),
      );
    } else errors.push(required(here, "one of fieldRef and resourceFieldRef is required"));
    return [...errors, ...validateMode(path(here, "mode"), item.mode)];
  });

/** Seconds within which a token must be valid. */
const tokenSeconds = { least: 600, most: 2 ** 32 };

function projection(at: string, source: VolumeProjection): Errors {
  const errors = exactlyOne(at, Object.keys(source), { many: "may not specify more than 1 volume type" });
  if (source.secret) {
    errors.push(...present(path(at, "secret", "name"), source.secret.name));
    errors.push(...validateKeyPaths(source.secret.items, path(at, "secret", "items")));
  }
  if (source.configMap) {
    errors.push(...present(path(at, "configMap", "name"), source.configMap.name));
    errors.push(...validateKeyPaths(source.configMap.items, path(at, "configMap", "items")));
  }
  errors.push(...downwardItems(source.downwardAPI?.items, path(at, "downwardAPI", "items")));
  const token = source.serviceAccountToken;
  if (token) {
    const here = path(at, "serviceAccountToken");
    const seconds = token.expirationSeconds ?? 3600;
    const expiry = path(here, "expirationSeconds");
    if (seconds < tokenSeconds.least)
      errors.push(invalidValue(expiry, seconds, "may not specify a duration less than 10 minutes"));
    if (seconds > tokenSeconds.most)
      errors.push(invalidValue(expiry, seconds, "may not specify a duration larger than 2^32 seconds"));
    errors.push(...(token.path ? relativePathErrors(path(here, "path"), token.path) : [required(path(here, "path"))]));
  }
  const bundle = source.clusterTrustBundle;
  if (bundle) {
    const here = path(at, "clusterTrustBundle");
    if (!bundle.name === !bundle.signerName)
      errors.push(invalidValue(here, "", "exactly one of name and signerName must be set"));
    errors.push(
      ...(bundle.path ? relativePathErrors(path(here, "path"), bundle.path) : [required(path(here, "path"))]),
    );
  }
  return errors;
}

function projectedPaths(sources: readonly VolumeProjection[] | undefined, at: string): Errors {
  const seen = new Set<string>();
  const paths = (sources ?? []).flatMap((source) => [
    ...(source.secret?.items ?? []).map((item) => item.path),
    ...(source.configMap?.items ?? []).map((item) => item.path),
    ...(source.downwardAPI?.items ?? []).map((item) => item.path),
    ...(source.serviceAccountToken?.path ? [source.serviceAccountToken.path] : []),
    ...(source.clusterTrustBundle?.path ? [source.clusterTrustBundle.path] : []),
  ]);
  return paths.flatMap((file) => {
    if (seen.has(file)) return [invalidValue(at, file, "conflicting duplicate paths")];
    seen.add(file);
    return [];
  });
}

type Source = Exclude<keyof Volume, "name">;

/** Checks of single sources; those without a row have nothing to check but their shape. */
const sources: { readonly [S in Source]?: (source: NonNullable<Volume[S]>, at: string) => Errors } = {
  emptyDir: (source, at) => (source.sizeLimit ? quantityNotNegative(path(at, "sizeLimit"), source.sizeLimit) : []),
  hostPath: (source, at) => [
    ...present(path(at, "path"), source.path),
    ...backstepErrors(path(at, "path"), source.path ?? ""),
    ...optionallyOneOf(path(at, "type"), source.type, hostPathTypes),
  ],
  secret: (source, at) => [
    ...present(path(at, "secretName"), source.secretName),
    ...validateMode(path(at, "defaultMode"), source.defaultMode),
    ...validateKeyPaths(source.items, path(at, "items")),
  ],
  configMap: (source, at) => [
    ...present(path(at, "name"), source.name),
    ...validateMode(path(at, "defaultMode"), source.defaultMode),
    ...validateKeyPaths(source.items, path(at, "items")),
  ],
  downwardAPI: (source, at) => [
    ...validateMode(path(at, "defaultMode"), source.defaultMode),
    ...downwardItems(source.items, path(at, "items")),
  ],
  projected: (source, at) => [
    ...validateMode(path(at, "defaultMode"), source.defaultMode),
    ...each(path(at, "sources"), source.sources, projection),
    ...projectedPaths(source.sources, path(at, "sources")),
  ],
  persistentVolumeClaim: (source, at) => present(path(at, "claimName"), source.claimName),
  ephemeral: (source, at) =>
    source.volumeClaimTemplate
      ? validateClaimSpec(source.volumeClaimTemplate.spec ?? {}, path(at, "volumeClaimTemplate", "spec"))
      : [required(path(at, "volumeClaimTemplate"))],
  nfs: (source, at) => [
    ...present(path(at, "server"), source.server),
    ...present(path(at, "path"), source.path),
    ...(source.path && !source.path.startsWith("/")
      ? [invalidValue(path(at, "path"), source.path, "must be an absolute path")]
      : []),
  ],
  csi: (source, at) => named(path(at, "driver"), source.driver, dnsSubdomainErrors),
  image: (source, at) => [
    ...present(path(at, "reference"), source.reference),
    ...oneOf(path(at, "pullPolicy"), source.pullPolicy, ["Always", "IfNotPresent", "Never"]),
  ],
  iscsi: (source, at) => [
    ...present(path(at, "targetPortal"), source.targetPortal),
    ...present(path(at, "iqn"), source.iqn),
  ],
  gitRepo: (source, at) => [
    ...present(path(at, "repository"), source.repository),
    ...relativePathErrors(path(at, "directory"), source.directory ?? ""),
  ],
};

let sourceNames: readonly Source[] | undefined;

/** Every source that a volume may have; known once the schema is read. */
function allSources(): readonly Source[] {
  sourceNames ??= (Object.keys(schemaOf("core.v1.Volume")!.fields) as (keyof Volume)[]).filter(
    (field): field is Source => field !== "name",
  );
  return sourceNames;
}

function validateSource(volume: Volume, at: string): Errors {
  const set = allSources().filter((field) => volume[field] !== undefined);
  const errors = exactlyOne(at, set, {
    none: "must specify a volume type",
    many: "may not specify more than 1 volume type",
  });
  for (const field of set.slice(0, 1)) {
    const check = sources[field] as ((source: unknown, at: string) => Errors) | undefined;
    errors.push(...(check?.(volume[field], path(at, field)) ?? []));
  }
  return errors;
}

/** The volumes of a pod spec. */
export function validateVolumes(volumes: readonly Volume[] | undefined, at: string): Errors {
  const seen = new Set<string>();
  return each(at, volumes, (here, volume) => {
    const errors = [...validateSource(volume, here), ...named(path(here, "name"), volume.name, dnsLabelErrors)];
    if (seen.has(volume.name)) errors.push(duplicate(path(here, "name"), volume.name));
    seen.add(volume.name);
    return errors;
  });
}
