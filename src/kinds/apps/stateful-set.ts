// StatefulSet: pods with names and volumes that stay.
// Follows kubernetes v1.36 pkg/apis/apps/v1/defaults.go and pkg/apis/apps/validation/validation.go (StatefulSet).
import type * as apps from "../generated/apps.v1.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import { forbiddenField, invalidValue, path, required } from "../../machinery/field.ts";
import { all, among, type Errors, fields, list, notNegative, present } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { validateClaimSpec } from "../core/persistent-volume-claim.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { isZero, shareErrors } from "../int-or-percent.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { ownSelectorErrors, ownTemplateErrors, scalable, someOf, templateColumns } from "./workload.ts";

export type StatefulSet = apps.StatefulSet;

function setDefaults({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.podManagementPolicy ||= "OrderedReady";
  spec.updateStrategy ??= {};
  spec.updateStrategy.type ||= "RollingUpdate";
  if (spec.updateStrategy.type === "RollingUpdate") {
    spec.updateStrategy.rollingUpdate = { partition: 0, ...spec.updateStrategy.rollingUpdate };
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= "Retain";
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= "Retain";
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  defaultPodTemplate(spec.template);
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = "v1";
    claim.kind = "PersistentVolumeClaim";
    if (claim.spec) claim.spec.volumeMode ??= "Filesystem";
    claim.status = { ...claim.status, phase: claim.status?.phase || "Pending" };
  }
}

function strategyErrors(spec: apps.StatefulSetSpec): Errors {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const at = "spec.updateStrategy";
  if (!type) return [required(at)];
  if (type === "OnDelete") {
    const text = "only allowed for updateStrategy 'RollingUpdate'";
    return rollingUpdate ? [invalidValue(`${at}.rollingUpdate`, rollingUpdate, text)] : [];
  }
  if (type !== "RollingUpdate") {
    return [invalidValue(at, spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'")];
  }
  const here = `${at}.rollingUpdate`;
  const unavailable = rollingUpdate?.maxUnavailable;
  return all(
    notNegative(`${here}.partition`, rollingUpdate?.partition),
    shareErrors(`${here}.maxUnavailable`, unavailable),
    unavailable !== undefined &&
      isZero(unavailable) &&
      invalidValue(`${here}.maxUnavailable`, unavailable, "cannot be 0"),
  );
}

function validate({ spec }: StatefulSet): Errors {
  if (!spec) return [required("spec.selector"), required("spec.template")];
  const wrongPolicy = "must be 'OrderedReady' or 'Parallel'";
  return fields("spec", spec, {
    podManagementPolicy: (at, policy) =>
      policy ? !["OrderedReady", "Parallel"].includes(policy) && invalidValue(at, policy, wrongPolicy) : required(at),
    updateStrategy: () => strategyErrors(spec),
    persistentVolumeClaimRetentionPolicy: (at, policy) =>
      fields(at, policy, { whenDeleted: among(["Retain", "Delete"]), whenScaled: among(["Retain", "Delete"]) }),
    replicas: notNegative,
    minReadySeconds: notNegative,
    ordinals: (at, ordinals) => fields(at, ordinals, { start: notNegative }),
    revisionHistoryLimit: notNegative,
    selector: (_, selector) => ownSelectorErrors(selector, "statefulset"),
    template: () => ownTemplateErrors(withClaimVolumes(spec), spec.selector, "StatefulSet"),
    volumeClaimTemplates: list((at, claim) =>
      all(
        present(path(at, "metadata", "name"), claim.metadata?.name),
        claim.spec ? validateClaimSpec(claim.spec, path(at, "spec")) : required(path(at, "spec")),
      ),
    ),
  });
}

/** The template as its pods will be: each claim template is a volume of the same name, in place of one it may have. */
function withClaimVolumes({
  template,
  volumeClaimTemplates = [],
}: apps.StatefulSetSpec): apps.StatefulSetSpec["template"] {
  if (!template?.spec || volumeClaimTemplates.length === 0) return template;
  const names = new Set(volumeClaimTemplates.map((claim) => claim.metadata?.name).filter(Boolean));
  const own = (template.spec.volumes ?? []).filter((volume) => !names.has(volume.name));
  const claims = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...own, ...claims] } };
}

const changeable = [
  "replicas",
  "ordinals",
  "template",
  "updateStrategy",
  "revisionHistoryLimit",
  "persistentVolumeClaimRetentionPolicy",
  "minReadySeconds",
] as const;

function validateUpdate(next: StatefulSet, old: StatefulSet): Errors {
  const fixed = ({ spec }: StatefulSet) =>
    Object.fromEntries(Object.entries(spec ?? {}).filter(([field]) => !changeable.some((name) => name === field)));
  if (semanticEqual(fixed(next), fixed(old))) return [];
  const names = changeable.slice(0, -1).map((name) => `'${name}'`);
  const text = `updates to statefulset spec for fields other than ${names.join(", ")} and '${changeable.at(-1)}' are forbidden`;
  return [forbiddenField("spec", text)];
}

function validateStatusUpdate({ status }: StatefulSet): Errors {
  const some = (field: string, count: number | undefined) => someOf(field, count, status?.replicas);
  return fields("status", status, {
    replicas: notNegative,
    readyReplicas: some,
    currentReplicas: some,
    updatedReplicas: some,
    availableReplicas: some,
  });
}

export const StatefulSet = defineKind<StatefulSet>("apps/v1", "StatefulSet", {
  nameRule: "label",
  shortNames: ["sts"],
  categories: ["all"],
  hasGeneration: true,
  subresources: scalable<apps.StatefulSet>(),
  columns: [
    nameColumn,
    column("Ready", ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    ageColumn,
    ...templateColumns<StatefulSet>(({ spec }) => spec?.template),
  ],
  defaults: setDefaults,
  prepareForCreate: statusAtFirst({ replicas: 0, availableReplicas: 0 }),
  validate,
  validateUpdate,
  validateStatusUpdate,
});
