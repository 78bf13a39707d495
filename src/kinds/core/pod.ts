// Pod: one or more containers that share a network and a life on one node.
import type * as core from "../generated/core.v1.ts";
import { defineKind } from "../kind.ts";
import { podColumns } from "./pod/columns.ts";
import { defaultPod } from "./pod/defaults.ts";
import { validatePod } from "./pod/validate.ts";
import {
  validateEphemeralContainersUpdate,
  validatePodStatusUpdate,
  validatePodUpdate,
  validateResize,
} from "./pod/validate-update.ts";
import { podWarnings } from "./pod/warnings.ts";
import { podDeletionGraceSeconds, preparePodForCreate } from "./pod/strategy.ts";

export type Pod = core.Pod;

export const Pod = defineKind<Pod>("v1", "Pod", {
  shortNames: ["po"],
  categories: ["all"],
  hasGeneration: true,
  manyAlike: true,
  subresources: {
    status: true,
    special: ["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize"],
  },
  selectableFields: {
    "spec.nodeName": (pod) => pod.spec?.nodeName ?? "",
    "spec.restartPolicy": (pod) => pod.spec?.restartPolicy ?? "",
    "spec.schedulerName": (pod) => pod.spec?.schedulerName ?? "",
    "spec.serviceAccountName": (pod) => pod.spec?.serviceAccountName ?? "",
    "spec.hostNetwork": (pod) => String(pod.spec?.hostNetwork ?? false),
    "status.phase": (pod) => pod.status?.phase ?? "",
    "status.podIP": (pod) => pod.status?.podIP ?? "",
    "status.podIPs": (pod) => pod.status?.podIP ?? "",
    "status.nominatedNodeName": (pod) => pod.status?.nominatedNodeName ?? "",
  },
  columns: podColumns,
  defaults: defaultPod,
  prepareForCreate: preparePodForCreate,
  validate: validatePod,
  validateUpdate: validatePodUpdate,
  validateSubresourceUpdate: {
    ephemeralcontainers: validateEphemeralContainersUpdate,
    resize: validateResize,
  },
  validateStatusUpdate: validatePodStatusUpdate,
  warnings: (pod) => podWarnings(pod.spec),
  deletionGraceSeconds: podDeletionGraceSeconds,
});
