// Which CustomResourceDefinitions are refused.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go.
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../generated/apiextensions.v1.ts";
import { duplicate, forbiddenField, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { dns1035LabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { clientConfigErrors } from "../admissionregistration/client-config.ts";
import { withDefaults } from "../custom/defaults.ts";
import { compileJsonPath } from "../custom/json-path.ts";
import { pruneObject } from "../custom/prune.ts";
import { ruleErrors } from "../custom/rules.ts";
import { itemsOf, valuesOf } from "../custom/schema.ts";
import { valueErrors } from "../custom/validate.ts";
import { each, eachEntry, type Errors, named, oneOf, optionallyOneOf, unchanged } from "../checks.ts";
import { structuralErrors } from "./structural.ts";

const columnTypes = ["integer", "number", "string", "boolean", "date"];
const columnFormats = ["int32", "int64", "float", "double", "byte", "date", "date-time", "password"];
const maxSelectableFields = 8;

function namesErrors(names: Partial<CustomResourceDefinitionNames> | undefined): Errors {
  const at = "spec.names";
  const lower = (text: string) => dns1035LabelErrors(text.toLowerCase());
  const errors = [
    ...named(path(at, "plural"), names?.plural, dns1035LabelErrors),
    ...named(path(at, "singular"), names?.singular, dns1035LabelErrors),
    ...named(path(at, "kind"), names?.kind, lower),
    ...named(path(at, "listKind"), names?.listKind, lower),
    ...each(path(at, "shortNames"), names?.shortNames, (field, name) => named(field, name, dns1035LabelErrors)),
    ...each(path(at, "categories"), names?.categories, (field, name) => named(field, name, dns1035LabelErrors)),
  ];
  if (names?.kind && names.kind === names.listKind) {
    errors.push(invalidValue(path(at, "listKind"), names.listKind, "kind and listKind may not be the same"));
  }
  return errors;
}

function columnErrors(column: CustomResourceColumnDefinition, at: string): Errors {
  const errors: Errors = column.name ? [] : [required(path(at, "name"))];
  if (!column.type) errors.push(required(path(at, "type"), `must be one of ${columnTypes.join(",")}`));
  else if (!columnTypes.includes(column.type)) {
    errors.push(invalidValue(path(at, "type"), column.type, `must be one of ${columnTypes.join(",")}`));
  }
  errors.push(...optionallyOneOf(path(at, "format"), column.format, columnFormats));
  return [...errors, ...jsonPathErrors(path(at, "jsonPath"), column.jsonPath)];
}

function jsonPathErrors(field: string, jsonPath: string | undefined): Errors {
  if (!jsonPath) return [required(field)];
  if (!/^[.[]/.test(jsonPath)) return [invalidValue(field, jsonPath, "is an invalid path: must start with a dot")];
  try {
    compileJsonPath(jsonPath);
    return [];
  } catch (error) {
    return [invalidValue(field, jsonPath, `is an invalid path: ${(error as Error).message}`)];
  }
}

/** The paths of the scale subresource: plain fields below spec or status. */
function scalePathErrors(field: string, text: string | undefined, root: string): Errors {
  if (!text) return [required(field)];
  if (!/^(\.[\w-]+)+$/.test(text)) return [invalidValue(field, text, "should be a json path without array notation")];
  return text.startsWith(root) ? [] : [invalidValue(field, text, `should be a json path under ${root}`)];
}

function subresourcesErrors({ subresources }: CustomResourceDefinitionVersion, at: string): Errors {
  const scale = subresources?.scale;
  if (!scale) return [];
  const label = scale.labelSelectorPath;
  const labelField = path(at, "labelSelectorPath");
  return [
    ...scalePathErrors(path(at, "specReplicasPath"), scale.specReplicasPath, ".spec."),
    ...scalePathErrors(path(at, "statusReplicasPath"), scale.statusReplicasPath, ".status."),
    ...(label ? scalePathErrors(labelField, label, label.startsWith(".spec.") ? ".spec." : ".status.") : []),
  ];
}

function versionErrors(version: CustomResourceDefinitionVersion, at: string): Errors {
  const errors = named(path(at, "name"), version.name, dns1035LabelErrors);
  if (version.deprecationWarning !== undefined && !version.deprecated) {
    errors.push(
      invalidValue(
        path(at, "deprecationWarning"),
        version.deprecationWarning,
        "can only be set for deprecated versions",
      ),
    );
  }
  const field = path(at, "schema", "openAPIV3Schema");
  const schema = version.schema?.openAPIV3Schema;
  const selectable = version.selectableFields?.length ?? 0;
  return [
    ...errors,
    ...(schema ? schemaErrors(schema, field) : [required(field, "schemas are required")]),
    ...subresourcesErrors(version, path(at, "subresources", "scale")),
    ...each(path(at, "additionalPrinterColumns"), version.additionalPrinterColumns, (here, row) =>
      columnErrors(row, here),
    ),
    ...(selectable > maxSelectableFields
      ? [tooMany(path(at, "selectableFields"), selectable, maxSelectableFields)]
      : []),
    ...each(path(at, "selectableFields"), version.selectableFields, (here, { jsonPath }) =>
      jsonPathErrors(path(here, "jsonPath"), jsonPath),
    ),
  ];
}

/** What needs a structural schema is looked at only when it is one. */
function schemaErrors(schema: JSONSchemaProps, at: string): Errors {
  const errors = structuralErrors(schema, at);
  return errors.length > 0 ? errors : [...defaultErrors(schema, at), ...ruleErrors(schema, at)];
}

/** A default must be what the schema allows. */
function defaultErrors(schema: JSONSchemaProps, at: string): Errors {
  const items = itemsOf(schema);
  const values = valuesOf(schema);
  const field = path(at, "default");
  const wanted = schema.default === undefined ? undefined : withDefaults(structuredClone(schema.default), schema);
  const shaped = wanted === undefined ? undefined : pruneObject({ value: wanted }, wrapped(schema));
  return [
    ...(wanted === undefined ? [] : valueErrors(wanted, schema, field)),
    ...(shaped?.unknownFields.length
      ? [invalidValue(field, schema.default, "must not have unknown fields, found: " + shaped.unknownFields.join(", "))]
      : []),
    ...(items ? defaultErrors(items, path(at, "items")) : []),
    ...(values ? defaultErrors(values, path(at, "additionalProperties")) : []),
    ...eachEntry(path(at, "properties"), schema.properties, (here, child) => defaultErrors(child, here)),
  ];
}

const wrapped = (schema: JSONSchemaProps): JSONSchemaProps => ({ type: "object", properties: { value: schema } });

function conversionErrors(conversion: CustomResourceDefinitionSpec["conversion"]): Errors {
  const at = "spec.conversion";
  const errors = oneOf(path(at, "strategy"), conversion?.strategy, ["None", "Webhook"]);
  const webhook = conversion?.webhook;
  if (conversion?.strategy !== "Webhook") {
    return webhook
      ? [...errors, forbiddenField(path(at, "webhook"), 'should not be set when strategy is not set to "Webhook"')]
      : errors;
  }
  const here = path(at, "webhook");
  if (!webhook?.clientConfig) {
    errors.push(required(path(here, "clientConfig"), 'required when strategy is set to "Webhook"'));
  } else errors.push(...clientConfigErrors(webhook.clientConfig, path(here, "clientConfig")));
  const versions = webhook?.conversionReviewVersions ?? [];
  const field = path(here, "conversionReviewVersions");
  if (versions.length === 0) errors.push(required(field));
  else if (!versions.some((version) => version === "v1" || version === "v1beta1")) {
    errors.push(invalidValue(field, versions, "must include at least one of v1, v1beta1"));
  }
  return errors;
}

function versionsErrors(versions: readonly CustomResourceDefinitionVersion[] | undefined): Errors {
  const at = "spec.versions";
  if (!versions?.length) {
    return [invalidValue(at, versions ?? [], "must have at least one version"), required("status.storedVersions")];
  }
  const seen = new Set<string>();
  const errors = each(at, versions, (here, version) => {
    const again = seen.has(version.name) ? [duplicate(path(here, "name"), version.name)] : [];
    seen.add(version.name);
    return [...again, ...versionErrors(version, here)];
  });
  const stored = versions.filter(({ storage }) => storage).length;
  if (stored !== 1) {
    const names = versions.map(({ name }) => name);
    errors.push(invalidValue(at, names, "must have exactly one version marked as storage version"));
  }
  return errors;
}

/** A definition, new or changed. */
export function validateDefinition(definition: CustomResourceDefinition): Errors {
  const { metadata, spec, status } = definition;
  const errors: Errors = [];
  const fullName = `${spec?.names?.plural ?? ""}.${spec?.group ?? ""}`;
  if (metadata.name !== fullName) {
    errors.push(invalidValue("metadata.name", metadata.name, 'must be spec.names.plural+"."+spec.group'));
  }
  errors.push(...named("spec.group", spec?.group, dnsSubdomainErrors));
  if (spec?.group && !spec.group.includes(".")) {
    errors.push(invalidValue("spec.group", spec.group, "should be a domain with at least one dot"));
  }
  if (spec?.preserveUnknownFields) {
    const text =
      "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
    errors.push(invalidValue("spec.preserveUnknownFields", true, text));
  }
  errors.push(...protectionErrors(definition));
  const names = new Set((spec?.versions ?? []).map(({ name }) => name));
  return [
    ...errors,
    ...oneOf("spec.scope", spec?.scope, ["Cluster", "Namespaced"]),
    ...namesErrors(spec?.names),
    ...versionsErrors(spec?.versions),
    ...conversionErrors(spec?.conversion),
    ...each("status.storedVersions", status?.storedVersions, (at, version) =>
      names.has(version) ? [] : [invalidValue(at, version, "missing from spec.versions; " + storedVersionText)],
    ),
  ];
}

const storedVersionText =
  "it was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in it and removes it from status.storedVersions";

const approval = "api-approved.kubernetes.io";

const approvalText = `protected groups must have approval annotation "${approval}"`;
const approvalPlace = "see https://github.com/kubernetes/enhancements/pull/1111";

/** Whether the Kubernetes project has approved a definition in one of its groups, as a condition; undefined in all others. */
export function approvalOf({
  metadata,
  spec,
}: CustomResourceDefinition): CustomResourceDefinitionCondition | undefined {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec?.group ?? "")) return undefined;
  const value = metadata.annotations?.[approval] ?? "";
  const verdict = (status: string, reason: string, message: string) => ({
    type: "KubernetesAPIApprovalPolicyConformant",
    status,
    reason,
    message,
  });
  if (value === "") return verdict("False", "MissingAnnotation", `${approvalText}, ${approvalPlace}`);
  if (value.startsWith("unapproved")) return verdict("False", "UnapprovedAnnotation", `not approved: "${value}"`);
  if (URL.canParse(value)) return verdict("True", "ApprovedAnnotation", `approved in ${value}`);
  const either = `${approvalText} with either a URL or a reason starting with "unapproved", ${approvalPlace}`;
  return verdict("False", "InvalidAnnotation", either);
}

function protectionErrors(definition: CustomResourceDefinition): Errors {
  const { reason, message } = approvalOf(definition) ?? {};
  const field = `metadata.annotations[${approval}]`;
  if (reason === "MissingAnnotation") return [required(field, message!)];
  return reason === "InvalidAnnotation"
    ? [invalidValue(field, definition.metadata.annotations?.[approval], message!)]
    : [];
}

export function validateDefinitionUpdate(next: CustomResourceDefinition, old: CustomResourceDefinition): Errors {
  const established = old.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True");
  return [
    ...unchanged("spec.group", next.spec?.group, old.spec?.group),
    ...unchanged("spec.names.plural", next.spec?.names?.plural, old.spec?.names?.plural),
    ...(established ? unchanged("spec.scope", next.spec?.scope, old.spec?.scope) : []),
    ...(established ? unchanged("spec.names.kind", next.spec?.names?.kind, old.spec?.names?.kind) : []),
  ];
}
