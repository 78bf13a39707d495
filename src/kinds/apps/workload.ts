// What the workload kinds have in common: columns and checks of their pod templates, and their scale.
// Follows kubernetes v1.36 pkg/apis/apps/validation/validation.go and pkg/printers/internalversion (texts).
import { forbiddenField, invalidValue, notSupported, path, required } from "../../machinery/field.ts";
import type { KubeObject } from "../../machinery/object.ts";
import {
  formatLabelSelector,
  formatSelector,
  type LabelSelectorObject,
  labelSelectorErrors,
  matchesLabels,
  selectorOf,
} from "../../machinery/selector.ts";
import type { PodTemplateSpec } from "../generated/core.v1.ts";
import type { Errors } from "../checks.ts";
import { wideColumn } from "../columns.ts";
import { validatePodTemplate } from "../core/pod/validate.ts";
import type { Column, Subresources } from "../kind.ts";

/** The wide columns Containers and Images. */
export const templateColumns = <T extends KubeObject>(
  templateOf: (object: T) => PodTemplateSpec | undefined,
): Column<T>[] => {
  const containers = (object: T) => templateOf(object)?.spec?.containers ?? [];
  return [
    wideColumn("Containers", (object) =>
      containers(object)
        .map(({ name }) => name)
        .join(","),
    ),
    wideColumn("Images", (object) =>
      containers(object)
        .map(({ image }) => image ?? "")
        .join(","),
    ),
  ];
};

/** The wide column Selector. */
export const selectorColumn = <T extends KubeObject>(get: (object: T) => LabelSelectorObject | undefined): Column<T> =>
  wideColumn("Selector", (object) => formatLabelSelector(get(object)));

interface Scalable extends KubeObject {
  spec?: { replicas?: number; selector: LabelSelectorObject };
  status?: { replicas?: number };
}

/** Status, and scale by `spec.replicas`. */
export const scalable = <T extends Scalable>(): Subresources<T> => ({
  status: true,
  scale: {
    get: ({ spec, status }) => ({
      specReplicas: spec?.replicas ?? 0,
      statusReplicas: status?.replicas ?? 0,
      selector: formatSelector(selectorOf(spec?.selector) ?? []),
    }),
    set: (draft, replicas) => {
      if (draft.spec) draft.spec = { ...draft.spec, replicas };
    },
  },
});

/** A required selector that selects something; `owner` is how the complaint calls the kind. */
export function ownSelectorErrors(selector: LabelSelectorObject | undefined, owner: string): Errors {
  if (!selector) return [required("spec.selector")];
  const errors = labelSelectorErrors(selector, "spec.selector");
  const terms = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0);
  if (terms === 0) errors.push(invalidValue("spec.selector", selector, `empty selector is invalid for ${owner}`));
  return errors;
}

/** A template of pods that run for ever and carry the labels that the selector asks for. */
export function ownTemplateErrors(
  template: PodTemplateSpec | undefined,
  selector: LabelSelectorObject | undefined,
  owner: string,
): Errors {
  const at = "spec.template";
  if (!template) return [required(at)];
  const errors: Errors = [];
  const labels = template.metadata?.labels ?? {};
  if (selector && !matchesLabels(selector, labels)) {
    errors.push(invalidValue(path(at, "metadata", "labels"), labels, "`selector` does not match template `labels`"));
  }
  errors.push(...validatePodTemplate(template, at));
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  if (restartPolicy && restartPolicy !== "Always") {
    errors.push(notSupported(path(at, "spec", "restartPolicy"), restartPolicy, ["Always"]));
  }
  if (activeDeadlineSeconds !== undefined) {
    const text = `activeDeadlineSeconds in ${owner} is not Supported`;
    errors.push(forbiddenField(path(at, "spec", "activeDeadlineSeconds"), text));
  }
  return errors;
}
