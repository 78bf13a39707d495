// Deployment: keeps a number of equal pods running and rolls out changes.
// Follows kubernetes v1.36 pkg/apis/apps/v1/defaults.go and pkg/apis/apps/validation/validation.go (Deployment).
import type * as apps from "../generated/apps.v1.ts";
import { forbiddenField, invalidValue, notSupported, required } from "../../machinery/field.ts";
import { all, type Errors, fields, notNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defaultPodTemplate } from "../core/pod/defaults.ts";
import { intOrPercentErrors, isZero, shareErrors } from "../int-or-percent.ts";
import { defineKind, statusAtFirst } from "../kind.ts";
import { ownSelectorErrors, ownTemplateErrors, scalable, selectorColumn, templateColumns } from "./workload.ts";

export type Deployment = apps.Deployment;

function setDefaults({ spec }: Deployment): void {
  if (!spec) return;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  spec.strategy.type ||= "RollingUpdate";
  if (spec.strategy.type === "RollingUpdate") {
    spec.strategy.rollingUpdate = { maxUnavailable: "25%", maxSurge: "25%", ...spec.strategy.rollingUpdate };
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  defaultPodTemplate(spec.template);
}

function strategyErrors({ type, rollingUpdate }: apps.DeploymentStrategy): Errors {
  const at = "spec.strategy";
  if (type === "Recreate") {
    const text = "may not be specified when strategy `type` is 'Recreate'";
    return rollingUpdate ? [forbiddenField(`${at}.rollingUpdate`, text)] : [];
  }
  if (type !== "RollingUpdate") return [notSupported(at, type ?? "", ["Recreate", "RollingUpdate"])];
  if (!rollingUpdate) return [required(`${at}.rollingUpdate`, "this should be defaulted and never be nil")];
  const { maxUnavailable, maxSurge } = rollingUpdate;
  const here = `${at}.rollingUpdate`;
  return all(
    shareErrors(`${here}.maxUnavailable`, maxUnavailable),
    intOrPercentErrors(`${here}.maxSurge`, maxSurge),
    isZero(maxUnavailable) &&
      isZero(maxSurge) &&
      invalidValue(`${here}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"),
  );
}

function validate({ spec }: Deployment): Errors {
  if (!spec) return [required("spec.selector"), required("spec.template")];
  return fields("spec", spec, {
    replicas: notNegative,
    selector: (_, selector) => ownSelectorErrors(selector, "deployment"),
    template: (_, template) => ownTemplateErrors(template, spec.selector, "ReplicaSet"),
    strategy: (_, strategy) => strategyErrors(strategy ?? {}),
    minReadySeconds: notNegative,
    revisionHistoryLimit: notNegative,
    progressDeadlineSeconds: (at, deadline) =>
      all(
        notNegative(at, deadline),
        deadline !== undefined &&
          deadline <= (spec.minReadySeconds ?? 0) &&
          invalidValue(at, deadline, "must be greater than minReadySeconds"),
      ),
  });
}

function validateStatusUpdate({ status }: Deployment, old: Deployment): Errors {
  const { replicas = 0, readyReplicas = 0, availableReplicas = 0, collisionCount = 0 } = status ?? {};
  const few = (field: string, count = 0) =>
    count > replicas && invalidValue(field, count, "cannot be greater than status.replicas");
  return all(
    fields("status", status, {
      replicas: notNegative,
      updatedReplicas: notNegative,
      readyReplicas: notNegative,
      availableReplicas: notNegative,
      observedGeneration: notNegative,
    }),
    fields("status", status, { updatedReplicas: few, readyReplicas: few, availableReplicas: few }),
    availableReplicas > readyReplicas &&
      invalidValue("status.availableReplicas", availableReplicas, "cannot be greater than readyReplicas"),
    collisionCount < (old.status?.collisionCount ?? 0) &&
      invalidValue("status.collisionCount", collisionCount, "cannot be decremented"),
  );
}

export const Deployment = defineKind<Deployment>("apps/v1", "Deployment", {
  shortNames: ["deploy"],
  categories: ["all"],
  hasGeneration: true,
  subresources: scalable<apps.Deployment>(),
  columns: [
    nameColumn,
    column("Ready", ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    column("Up-to-date", ({ status }) => status?.updatedReplicas ?? 0),
    column("Available", ({ status }) => status?.availableReplicas ?? 0),
    ageColumn,
    ...templateColumns<Deployment>(({ spec }) => spec?.template),
    selectorColumn<Deployment>(({ spec }) => spec?.selector),
  ],
  defaults: setDefaults,
  prepareForCreate: statusAtFirst({}),
  validate,
  validateUpdate: (next, old) => unchanged("spec.selector", next.spec?.selector, old.spec?.selector),
  validateStatusUpdate,
});
