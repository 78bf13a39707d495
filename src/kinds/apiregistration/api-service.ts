// APIService: an API group version and who serves it.
// Follows kubernetes v1.36 kube-aggregator/pkg/apis/apiregistration/validation/validation.go.
import type * as apiregistration from "../generated/apiregistration.v1.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { dns1035LabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { all, complaints, type Errors, fields, named, portNumber, present } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind, statusAtFirst } from "../kind.ts";

export type APIService = apiregistration.APIService;

function availableText({ status }: APIService): string {
  const condition = status?.conditions?.find(({ type }) => type === "Available");
  if (!condition) return "Unknown";
  return condition.status === "True" ? "True" : `${condition.status} (${condition.reason ?? ""})`;
}

function serviceErrors(spec: apiregistration.APIServiceSpec): Errors {
  const { service, caBundle, insecureSkipTLSVerify: insecure } = spec;
  const field = "spec.insecureSkipTLSVerify";
  if (service) {
    return all(
      fields("spec.service", service, { namespace: present, name: present }),
      portNumber("spec.service.port", service.port ?? 443),
      caBundle && insecure && invalidValue(field, true, "may not be true if caBundle is present"),
    );
  }
  return all(
    caBundle && invalidValue("spec.caBundle", `${caBundle.length} bytes`, "local APIServices may not have a caBundle"),
    insecure && invalidValue(field, true, "local APIServices may not have insecureSkipTLSVerify"),
  );
}

const priorityErrors = (field: string, value: number, most: number) =>
  (value <= 0 || value > most) && invalidValue(field, value, `must be positive and less than ${most}`);

function validate({ metadata: { name }, spec }: APIService): Errors {
  if (!spec) return [required("spec")];
  const { group = "", version = "" } = spec;
  const fullName = `${version}.${group}`;
  const wanted = `must be \`spec.version+"."+spec.group\`: ${JSON.stringify(fullName)}`;
  const legacy = "only v1 may have an empty group and it better be legacy kube";
  return all(
    name !== fullName && invalidValue("metadata.name", name, wanted),
    group
      ? complaints("spec.group", group, dnsSubdomainErrors(group))
      : version !== "v1" && required("spec.group", legacy),
    named("spec.version", version, dns1035LabelErrors),
    priorityErrors("spec.groupPriorityMinimum", spec.groupPriorityMinimum ?? 0, 20_000),
    priorityErrors("spec.versionPriority", spec.versionPriority ?? 0, 1000),
    serviceErrors(spec),
  );
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
