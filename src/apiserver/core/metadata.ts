// Checks of metadata that hold for every kind. Follows kubernetes v1.36 apimachinery/pkg/api/validation/objectmeta.go.
import type { AnyKind } from "../../kinds/registry.ts";
import type { NameRule } from "../../kinds/kind.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { forbiddenField, invalidValue, required, tooLong } from "../../machinery/field.ts";
import {
  dns1035LabelErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  pathSegmentErrors,
  qualifiedNameErrors,
} from "../../machinery/names.ts";
import { labelErrors } from "../../machinery/selector.ts";
import type { KubeObject, ObjectMeta, OwnerReference } from "../../machinery/object.ts";

const nameErrors: Record<NameRule, (name: string) => readonly string[]> = {
  subdomain: dnsSubdomainErrors,
  label: dnsLabelErrors,
  label1035: dns1035LabelErrors,
  pathSegment: pathSegmentErrors,
};

const maxAnnotationBytes = 256 * 1024;
const standardFinalizers = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

/** Everything wrong with the metadata of a new object or of the new state of one. */
export function validateMetadata(kind: AnyKind, metadata: ObjectMeta): FieldError[] {
  const errors: FieldError[] = [];
  const add = (field: string, value: unknown, texts: readonly string[]) => {
    for (const text of texts) errors.push(invalidValue(field, value, text));
  };
  if (!metadata.name) errors.push(required("metadata.name", "name or generateName is required"));
  else add("metadata.name", metadata.name, nameErrors[kind.nameRule](metadata.name));
  if (kind.namespaced) {
    if (!metadata.namespace) errors.push(required("metadata.namespace"));
    else add("metadata.namespace", metadata.namespace, dnsLabelErrors(metadata.namespace));
  }
  if (metadata.labels) errors.push(...labelErrors(metadata.labels, "metadata.labels"));
  if (metadata.annotations) errors.push(...annotationErrors(metadata.annotations, "metadata.annotations"));
  if (metadata.ownerReferences?.length) errors.push(...ownerErrors(metadata.ownerReferences));
  if (metadata.finalizers?.length) errors.push(...finalizerErrors(metadata.finalizers));
  return errors;
}

function annotationErrors(annotations: Readonly<Record<string, string>>, field: string): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key in annotations) {
    for (const text of qualifiedNameErrors(key.toLowerCase())) errors.push(invalidValue(field, key, text));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key]!);
  }
  if (bytes > maxAnnotationBytes) errors.push(tooLong(field, maxAnnotationBytes));
  return errors;
}

function ownerErrors(owners: readonly OwnerReference[]): FieldError[] {
  const errors: FieldError[] = [];
  const field = "metadata.ownerReferences";
  let controller: string | undefined;
  for (const owner of owners) {
    const version = owner.apiVersion?.slice(owner.apiVersion.indexOf("/") + 1);
    if (!version) errors.push(invalidValue(`${field}.apiVersion`, owner.apiVersion ?? "", "version must not be empty"));
    if (!owner.kind) errors.push(invalidValue(`${field}.kind`, owner.kind ?? "", "must not be empty"));
    if (!owner.name) errors.push(invalidValue(`${field}.name`, owner.name ?? "", "must not be empty"));
    if (!owner.uid) errors.push(invalidValue(`${field}.uid`, owner.uid ?? "", "must not be empty"));
    if (owner.kind === "Event" && (owner.apiVersion === "v1" || owner.apiVersion?.startsWith("events.k8s.io/")))
      errors.push(invalidValue(field, owner, `${owner.apiVersion}, Kind=Event is disallowed from being an owner`));
    if (!owner.controller) continue;
    if (controller !== undefined) {
      const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${owner.name}`;
      errors.push(invalidValue(field, owners, text));
    }
    controller = owner.name;
  }
  return errors;
}

function finalizerErrors(finalizers: readonly string[]): FieldError[] {
  const errors: FieldError[] = [];
  const field = "metadata.finalizers";
  for (const finalizer of finalizers) {
    for (const text of qualifiedNameErrors(finalizer)) errors.push(invalidValue(field, finalizer, text));
    if (!finalizer.includes("/") && !standardFinalizers.has(finalizer)) {
      const text = "name is neither a standard finalizer name nor is it fully qualified";
      errors.push(invalidValue(field, finalizer, text));
    }
  }
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    const text = "finalizer orphan and foregroundDeletion cannot be both set";
    errors.push(invalidValue(field, finalizers, text));
  }
  return errors;
}

/** What a change of metadata may not do, beyond what `validateMetadata` finds. */
export function validateMetadataUpdate(object: KubeObject, old: KubeObject): FieldError[] {
  if (!old.metadata.deletionTimestamp) return [];
  const before = new Set(old.metadata.finalizers);
  const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.has(finalizer));
  if (added.length === 0) return [];
  const list = added.map((finalizer) => JSON.stringify(finalizer)).join(", ");
  return [
    forbiddenField(
      "metadata.finalizers",
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`,
    ),
  ];
}
