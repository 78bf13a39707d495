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
import { forbiddenField, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { dns1035LabelErrors, dnsSubdomainErrors } from "../../machinery/names.ts";
import { clientConfigErrors } from "../admissionregistration/client-config.ts";
import { withDefaults } from "../custom/defaults.ts";
import { compileJsonPath } from "../custom/json-path.ts";
import { pruneObject } from "../custom/prune.ts";
import { ruleErrors } from "../custom/rules.ts";
import { itemsOf, valuesOf } from "../custom/schema.ts";
import { valueErrors } from "../custom/validate.ts";
import {
  all,
  each,
  eachEntry,
  eachUnique,
  type Errors,
  fields,
  list,
  must,
  named,
  oneOf,
  optionallyAmong,
  present,
  unchanged,
} from "../checks.ts";
import { structuralErrors } from "./structural.ts";

const columnTypes = ["integer", "number", "string", "boolean", "date"];
const columnFormats = ["int32", "int64", "float", "double", "byte", "date", "date-time", "password"];
const maxSelectableFields = 8;

function namesErrors(names: Partial<CustomResourceDefinitionNames> | undefined): Errors {
  const at = "spec.names";
  const lower = (text: string) => dns1035LabelErrors(text.toLowerCase());
  const words = list(must(dns1035LabelErrors));
  const same = names?.kind && names.kind === names.listKind;
  return all(
    fields(at, names, {
      plural: must(dns1035LabelErrors),
      singular: must(dns1035LabelErrors),
      kind: must(lower),
      listKind: must(lower),
      shortNames: words,
      categories: words,
    }),
    same && invalidValue(path(at, "listKind"), names.listKind, "kind and listKind may not be the same"),
  );
}

const columnErrors = (at: string, column: CustomResourceColumnDefinition): Errors =>
  fields(at, column, {
    name: present,
    type: (field, type) => {
      const text = `must be one of ${columnTypes.join(",")}`;
      return type ? !columnTypes.includes(type) && invalidValue(field, type, text) : required(field, text);
    },
    format: optionallyAmong(columnFormats),
    jsonPath: jsonPathErrors,
  });

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

function versionErrors(at: string, version: CustomResourceDefinitionVersion): Errors {
  const field = path(at, "schema", "openAPIV3Schema");
  const { schema, deprecated, deprecationWarning: warning, selectableFields } = version;
  const selectable = selectableFields?.length ?? 0;
  const full = schema?.openAPIV3Schema;
  return all(
    named(path(at, "name"), version.name, dns1035LabelErrors),
    warning !== undefined &&
      !deprecated &&
      invalidValue(path(at, "deprecationWarning"), warning, "can only be set for deprecated versions"),
    full ? schemaErrors(full, field) : required(field, "schemas are required"),
    subresourcesErrors(version, path(at, "subresources", "scale")),
    each(path(at, "additionalPrinterColumns"), version.additionalPrinterColumns, columnErrors),
    selectable > maxSelectableFields && tooMany(path(at, "selectableFields"), selectable, maxSelectableFields),
    each(path(at, "selectableFields"), selectableFields, (here, row) =>
      fields(here, row, { jsonPath: jsonPathErrors }),
    ),
  );
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
  const here = path(at, "webhook");
  const webhook = conversion?.webhook;
  const isAsked = conversion?.strategy === "Webhook";
  const strategy = oneOf(path(at, "strategy"), conversion?.strategy, ["None", "Webhook"]);
  if (!isAsked) {
    const text = 'should not be set when strategy is not set to "Webhook"';
    return all(strategy, webhook && forbiddenField(here, text));
  }
  const client = path(here, "clientConfig");
  const versions = webhook?.conversionReviewVersions ?? [];
  const field = path(here, "conversionReviewVersions");
  const known = versions.some((version) => version === "v1" || version === "v1beta1");
  return all(
    strategy,
    webhook?.clientConfig
      ? clientConfigErrors(webhook.clientConfig, client)
      : required(client, 'required when strategy is set to "Webhook"'),
    versions.length === 0 && required(field),
    versions.length > 0 && !known && invalidValue(field, versions, "must include at least one of v1, v1beta1"),
  );
}

function versionsErrors(versions: readonly CustomResourceDefinitionVersion[] | undefined): Errors {
  const at = "spec.versions";
  if (!versions?.length) {
    return [invalidValue(at, versions ?? [], "must have at least one version"), required("status.storedVersions")];
  }
  const stored = versions.filter(({ storage }) => storage).length;
  const names = versions.map(({ name }) => name);
  return all(
    eachUnique(at, versions, "name", versionErrors),
    stored !== 1 && invalidValue(at, names, "must have exactly one version marked as storage version"),
  );
}

/** A definition, new or changed. */
export function validateDefinition(definition: CustomResourceDefinition): Errors {
  const { metadata, spec, status } = definition;
  const { name } = metadata;
  const { group = "", names, versions = [], preserveUnknownFields } = spec ?? {};
  const preserving =
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
  return all(
    name !== `${names?.plural ?? ""}.${group}` &&
      invalidValue("metadata.name", name, 'must be spec.names.plural+"."+spec.group'),
    named("spec.group", group, dnsSubdomainErrors),
    group && !group.includes(".") && invalidValue("spec.group", group, "should be a domain with at least one dot"),
    preserveUnknownFields && invalidValue("spec.preserveUnknownFields", true, preserving),
    protectionErrors(definition),
    oneOf("spec.scope", spec?.scope, ["Cluster", "Namespaced"]),
    namesErrors(names),
    versionsErrors(spec?.versions),
    conversionErrors(spec?.conversion),
    each("status.storedVersions", status?.storedVersions, (at, version) => {
      const isKnown = versions.some((row) => row.name === version);
      return !isKnown && invalidValue(at, version, "missing from spec.versions; " + storedVersionText);
    }),
  );
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
