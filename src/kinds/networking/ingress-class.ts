// IngressClass: names an ingress controller.
// Follows kubernetes v1.36 pkg/apis/networking/validation/validation.go (IngressClass).
import type * as networking from "../generated/networking.v1.ts";
import { forbiddenField, invalidValue, required, tooLong } from "../../machinery/field.ts";
import { dnsLabelErrors, dnsSubdomainErrors, pathSegmentErrors } from "../../machinery/names.ts";
import { among, type Errors, fields, may, must, named, present, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../kind.ts";

export type IngressClass = networking.IngressClass;

const longestController = 250;

function parametersText({ spec }: IngressClass): string {
  const parameters = spec?.parameters;
  if (!parameters) return "<none>";
  return `${parameters.kind}${parameters.apiGroup ? `.${parameters.apiGroup}` : ""}/${parameters.name}`;
}

const parametersErrors = (parameters: networking.IngressClassParametersReference | undefined): Errors =>
  parameters
    ? fields("spec.parameters", parameters, {
        apiGroup: may(dnsSubdomainErrors),
        kind: must(pathSegmentErrors),
        name: must(pathSegmentErrors),
        scope: among(["Cluster", "Namespace"]),
        namespace: (at, namespace) => {
          if (parameters.scope !== "Namespace") {
            return namespace !== undefined && forbiddenField(at, "`parameters.scope` is set to 'Cluster'");
          }
          return namespace
            ? named(at, namespace, dnsLabelErrors)
            : required(at, "`parameters.scope` is set to 'Namespace'");
        },
      })
    : [];

function controllerErrors(controller: string | undefined): Errors {
  const at = "spec.controller";
  if (!controller) return present(at, controller);
  if (controller.length > longestController) return [tooLong(at, longestController)];
  const slash = controller.indexOf("/");
  if (slash < 0 || slash === controller.length - 1) {
    return [invalidValue(at, controller, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  }
  return named(at, controller.slice(0, slash), dnsSubdomainErrors);
}

export const IngressClass = defineKind<IngressClass>("networking.k8s.io/v1", "IngressClass", {
  namespaced: false,
  hasGeneration: true,
  columns: [
    nameColumn,
    column("Controller", ({ spec }) => spec?.controller ?? ""),
    column("Parameters", parametersText),
    ageColumn,
  ],
  defaults: ({ spec }) => {
    if (spec?.parameters) spec.parameters.scope ??= "Cluster";
  },
  validate: ({ spec }) => [...controllerErrors(spec?.controller), ...parametersErrors(spec?.parameters)],
  validateUpdate: (next, old) => unchanged("spec.controller", next.spec?.controller, old.spec?.controller),
});
