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
import { all, type Errors, notNegative } from "../checks.ts";
import { wideColumn } from "../columns.ts";
import { validatePodTemplate } from "../core/pod/validate.ts";
import type { Column, Subresources } from "../kind.ts";

/** The wide columns Containers and Images. */
export const templateColumns = <T extends KubeObject>(
  templateOf: (object: T) => PodTemplateSpec | undefined,
): Column<T>[] => {
  const listed = (object: T, field: "name" | "image") =>
    (templateOf(object)?.spec?.containers ?? []).map((container) => container[field] ?? "").join(",");
  return [
    wideColumn("Containers", (object) => listed(object, "name")),
    wideColumn("Images", (object) => listed(object, "image")),
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

/** A count in a status: how many of the replicas are of a sort. */
export const someOf = (field: string, count = 0, replicas = 0): Errors =>
  all(
    notNegative(field, count),
    count > replicas && invalidValue(field, count, "cannot be greater than status.replicas"),
  );

/** A required selector that selects something; `owner` is how the complaint calls the kind. */
export function ownSelectorErrors(selector: LabelSelectorObject | undefined, owner: string): Errors {
  if (!selector) return [required("spec.selector")];
  const terms = Object.keys(selector.matchLabels ?? {}).length + (selector.matchExpressions?.length ?? 0);
  return all(
    labelSelectorErrors(selector, "spec.selector"),
    terms === 0 && invalidValue("spec.selector", selector, `empty selector is invalid for ${owner}`),
  );
}

/** A template of pods that run for ever and carry the labels that the selector asks for. */
export function ownTemplateErrors(
  template: PodTemplateSpec | undefined,
  selector: LabelSelectorObject | undefined,
  owner: string,
): Errors {
  const at = "spec.template";
  if (!template) return [required(at)];
  const labels = template.metadata?.labels ?? {};
  const { restartPolicy, activeDeadlineSeconds } = template.spec ?? {};
  return all(
    selector &&
      !matchesLabels(selector, labels) &&
      invalidValue(path(at, "metadata", "labels"), labels, "`selector` does not match template `labels`"),
    validatePodTemplate(template, at),
    restartPolicy &&
      restartPolicy !== "Always" &&
      notSupported(path(at, "spec", "restartPolicy"), restartPolicy, ["Always"]),
    activeDeadlineSeconds !== undefined &&
      forbiddenField(path(at, "spec", "activeDeadlineSeconds"), `activeDeadlineSeconds in ${owner} is not Supported`),
  );
}
