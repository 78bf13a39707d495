// VolumeAttachment: the wish to attach a volume to a node.
// Follows kubernetes v1.36 pkg/apis/storage/validation/validation.go (VolumeAttachment).
import type * as storage from "../generated/storage.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import { type Errors, named, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { driverNameErrors } from "./csi.ts";

export type VolumeAttachment = storage.VolumeAttachment;

function sourceErrors(source: storage.VolumeAttachmentSource | undefined): Errors {
  const { inlineVolumeSpec, persistentVolumeName } = source ?? {};
  if (!inlineVolumeSpec && persistentVolumeName === undefined) {
    return [required("spec.source", "must specify exactly one of inlineVolumeSpec and persistentVolumeName")];
  }
  if (inlineVolumeSpec && persistentVolumeName !== undefined) {
    const text = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    return [invalidValue("spec.source", source, text)];
  }
  return persistentVolumeName === "" ? [required("spec.source.persistentVolumeName")] : [];
}

export const VolumeAttachment = defineKind<VolumeAttachment>("storage.k8s.io/v1", "VolumeAttachment", {
  namespaced: false,
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Attacher", ({ spec }) => spec?.attacher ?? ""),
    column("PV", ({ spec }) => spec?.source?.persistentVolumeName ?? ""),
    column("Node", ({ spec }) => spec?.nodeName ?? ""),
    column("Attached", ({ status }) => status?.attached ?? false),
    ageColumn,
  ],
  prepareForCreate: statusAtFirst({ attached: false }),
  validate: ({ spec }) => [
    ...driverNameErrors("spec.attacher", spec?.attacher),
    ...sourceErrors(spec?.source),
    ...named("spec.nodeName", spec?.nodeName, dnsSubdomainErrors),
  ],
  validateUpdate: (next, old) => unchanged("spec", next.spec, old.spec),
});
