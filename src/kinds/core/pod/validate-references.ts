// Which references to fields, resources, keys and files are refused, in environment variables and in volumes. Follows
// kubernetes v1.36 pkg/apis/core/validation/validation.go (validateObjectFieldSelector, validateContainerResourceFieldSelector).
import { invalidValue, notSupported, path, required } from "../../../machinery/field.ts";
import { configMapKeyErrors, qualifiedNameErrors } from "../../../machinery/names.ts";
import type { KeyToPath, ObjectFieldSelector, ResourceFieldSelector } from "../../generated/core.v1.ts";
import { complaints, each, type Errors, named, present, relativePathErrors, within } from "../../checks.ts";

/** Fields of the pod that an environment variable can show. */
export const environmentFields: readonly string[] = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];

/** Fields of the pod that a file can show. */
export const volumeFields: readonly string[] = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];

/** Every field of a pod that has a name at all; which of them a place can show is narrower. */
const namedFields = new Set([
  ...environmentFields,
  ...volumeFields,
  "spec.restartPolicy",
  "spec.schedulerName",
  "status.phase",
  "status.nominatedNodeName",
  "spec.hostNetwork",
]);

const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/;

export function validateFieldReference(reference: ObjectFieldSelector, allowed: readonly string[], at: string): Errors {
  if (!reference.apiVersion) return [required(path(at, "apiVersion"))];
  if (!reference.fieldPath) return [required(path(at, "fieldPath"))];
  if (reference.apiVersion !== "v1") {
    return [
      invalidValue(
        path(at, "fieldPath"),
        reference.fieldPath,
        `error converting fieldPath: unsupported pod version: ${reference.apiVersion}`,
      ),
    ];
  }
  const match = subscript.exec(reference.fieldPath);
  if (match) {
    const key = match[1] === "metadata.annotations" ? match[2]!.toLowerCase() : match[2]!;
    return complaints(at, match[2], qualifiedNameErrors(key));
  }
  const field = path(at, "fieldPath");
  if (!namedFields.has(reference.fieldPath)) {
    const text = `error converting fieldPath: field label not supported: ${reference.fieldPath}`;
    return [invalidValue(field, reference.fieldPath, text)];
  }
  return allowed.includes(reference.fieldPath) ? [] : [notSupported(field, reference.fieldPath, allowed)];
}

const resourceFields = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const hugePages = /^(limits|requests)\.hugepages-/;
const divisors: Readonly<Record<string, readonly string[]>> = {
  cpu: ["0", "1", "1m"],
  size: ["0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"],
};

/** `inVolume`: a file must say which container it is about. */
export function validateResourceReference(
  reference: ResourceFieldSelector,
  at: string,
  { inVolume }: { inVolume: boolean },
): Errors {
  const errors: Errors = [];
  if (inVolume && !reference.containerName) errors.push(required(path(at, "containerName")));
  if (!reference.resource) return [...errors, required(path(at, "resource"))];
  if (!resourceFields.includes(reference.resource) && !hugePages.test(reference.resource)) {
    return [...errors, notSupported(path(at, "resource"), reference.resource, resourceFields)];
  }
  const allowed = divisors[reference.resource.endsWith(".cpu") ? "cpu" : "size"]!;
  const divisor = reference.divisor ?? "0";
  if (!allowed.includes(divisor)) {
    const texts = allowed.slice(1).join(", ");
    errors.push(
      invalidValue(
        path(at, "divisor"),
        divisor,
        `only divisor's values ${texts} are supported with the ${reference.resource} resource`,
      ),
    );
  }
  return errors;
}

/** A key of a ConfigMap or Secret. The name may be missing, as it may upstream for old clients' sake. */
export const validateKeyReference = (reference: { key: string }, at: string): Errors =>
  named(path(at, "key"), reference.key, configMapKeyErrors);

/** Bits of a file mode. */
export const validateMode = (at: string, mode: number | undefined): Errors =>
  within(at, mode, 0, 0o777).length > 0
    ? [invalidValue(at, mode, "must be a number between 0 and 0777 (octal), both inclusive")]
    : [];

/** Which keys become which files. */
export const validateKeyPaths = (items: readonly KeyToPath[] | undefined, at: string): Errors =>
  each(at, items, (here, item) => [
    ...present(path(here, "key"), item.key),
    ...(item.path ? relativePathErrors(path(here, "path"), item.path) : [required(path(here, "path"))]),
    ...validateMode(path(here, "mode"), item.mode),
  ]);
