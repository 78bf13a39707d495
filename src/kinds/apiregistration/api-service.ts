// APIService: an API group version and who serves it.
// Follows kubernetes v1.36 kube-aggregator/pkg/apis/apiregistration/validation/validation.go.
import type * as apiregistration from "../generated/apiregistration.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { dns1035LabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { complaints, type Errors, named, portNumber } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type APIService = apiregistration.APIService;

const highestGroupPriority = 20_000;
const highestVersionPriority = 1000;

function availableText({ status }: APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === "Available");
  if (!condition) return "Unknown";
  return condition.status === "True" ? "True" : `${condition.status} (${condition.reason ?? ""})`;
}

function serviceErrors(spec: apiregistration.APIServiceSpec): Errors {
  const { service, caBundle, insecureSkipTLSVerify } = spec;
  if (!service) {
    return [
      ...(caBundle
        ? [invalidValue("spec.caBundle", `${caBundle.length} bytes`, "local APIServices may not have a caBundle")]
        : []),
      ...(insecureSkipTLSVerify
        ? [invalidValue("spec.insecureSkipTLSVerify", true, "local APIServices may not have insecureSkipTLSVerify")]
        : []),
    ];
  }
  return [
    ...(service.namespace ? [] : [required("spec.service.namespace")]),
    ...(service.name ? [] : [required("spec.service.name")]),
    ...portNumber("spec.service.port", service.port ?? 443),
    ...(caBundle && insecureSkipTLSVerify
      ? [invalidValue("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present")]
      : []),
  ];
}

function validate({ metadata, spec }: APIService): Errors {
  if (!spec) return [required("spec")];
  const { group = "", version = "", groupPriorityMinimum = 0, versionPriority = 0 } = spec;
  const errors: Errors = [];
  const fullName = `${version}.${group}`;
  if (metadata.name !== fullName) {
    errors.push(
      invalidValue(
        "metadata.name",
        metadata.name,
        `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(fullName)}`,
      ),
    );
  }
  if (group === "") {
    if (version !== "v1")
      errors.push(required("spec.group", "only v1 may have an empty group and it better be legacy kube"));
  } else errors.push(...complaints("spec.group", group, dnsSubdomainErrors(group)));
  errors.push(...named("spec.version", version, dns1035LabelErrors));
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > highestGroupPriority) {
    const text = "must be positive and less than 20000";
    errors.push(invalidValue("spec.groupPriorityMinimum", groupPriorityMinimum, text));
  }
  if (versionPriority <= 0 || versionPriority > highestVersionPriority) {
    errors.push(invalidValue("spec.versionPriority", versionPriority, "must be positive and less than 1000"));
  }
  return [...errors, ...serviceErrors(spec)];
}

export const APIService = defineKind<APIService>("apiregistration.k8s.io/v1", "APIService", {
  namespaced: false,
  nameRule: "pathSegment",
  categories: ["api-extensions"],
  subresources: { status: true },
  columns: [
    nameColumn,
    column("Service", ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : "Local")),
    column("Available", availableText),
    ageColumn,
  ],
  defaults: ({ spec }) => {
    if (spec?.service) spec.service.port ??= 443;
  },
  prepareForCreate: statusAtFirst({}),
  validate,
});
