// RuntimeClass: names a configuration of the container runtime. Follows kubernetes v1.36 pkg/apis/node/validation/validation.go.
import type * as nodeApi from "../generated/node.v1.ts";
import { dnsLabelErrors } from "../../machinery/names.ts";
import { labelErrors } from "../../machinery/selector.ts";
import { eachEntry, named, quantityNotNegative, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { validateTolerations } from "../core/pod/validate-affinity.ts";
import { defineKind } from "../kind.ts";

export type RuntimeClass = nodeApi.RuntimeClass;

export const RuntimeClass = defineKind<RuntimeClass>("node.k8s.io/v1", "RuntimeClass", {
  namespaced: false,
  columns: [nameColumn, column("Handler", ({ handler }) => handler), ageColumn],
  validate: ({ handler, overhead, scheduling }) => [
    ...named("handler", handler, dnsLabelErrors),
    ...eachEntry("overhead.podFixed", overhead?.podFixed, quantityNotNegative),
    ...labelErrors(scheduling?.nodeSelector, "scheduling.nodeSelector"),
    ...validateTolerations(scheduling?.tolerations, "scheduling.tolerations"),
  ],
  validateUpdate: (next, old) => unchanged("handler", next.handler, old.handler),
});
