// Whether the OpenAPI schema of a CustomResourceDefinition is structural, so that pruning and defaulting can work by it.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/schema/validation.go and pkg/apis/apiextensions/validation.
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { forbiddenField, invalidValue, keyed, notSupported, path, required } from "../../machinery/field.ts";
import { compileRe2 } from "../../machinery/re2.ts";
import { each, eachEntry, type Errors } from "../checks.ts";

const types = ["array", "boolean", "integer", "number", "object", "string"];
/** Keywords that OpenAPI in a definition may not use at all. */
const unsupported = ["$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id"] as const;
/** Keywords that only the structure itself may use, not conditions such as allOf. */
const structuralOnly = ["type", "description", "title", "default", "nullable", "additionalProperties"] as const;
const junctors = ["allOf", "anyOf", "oneOf"] as const;

/** The whole schema of a version. */
export function structuralErrors(schema: JSONSchemaProps, at: string): Errors {
  const errors = nodeErrors(schema, at);
  if (schema.type !== "object") {
    errors.push(
      schema.type
        ? invalidValue(path(at, "type"), schema.type, "must be object at the root")
        : required(path(at, "type"), "must not be empty at the root"),
    );
  }
  if (schema.nullable) errors.push(forbiddenField(path(at, "nullable"), "nullable cannot be true at the root"));
  return [...errors, ...metadataErrors(schema.properties?.metadata, path(at, "properties[metadata]"))];
}

/** Of the metadata of objects, only name and generateName may be restricted. */
function metadataErrors(metadata: JSONSchemaProps | undefined, at: string): Errors {
  if (!metadata) return [];
  const known = new Set(["type", "description", "properties"]);
  const extra = Object.keys(metadata).filter((keyword) => !known.has(keyword));
  const fields = Object.keys(metadata.properties ?? {}).filter((name) => name !== "name" && name !== "generateName");
  const text = "must not specify anything other than name and generateName, but metadata is implicitly specified";
  return extra.length > 0 || fields.length > 0 ? [forbiddenField(at, text)] : [];
}

function nodeErrors(schema: JSONSchemaProps, at: string): Errors {
  const intOrString = schema["x-kubernetes-int-or-string"];
  const preserves = schema["x-kubernetes-preserve-unknown-fields"];
  const errors = keywordErrors(schema, at);
  if (schema.type && !types.includes(schema.type)) errors.push(notSupported(path(at, "type"), schema.type, types));
  if (!schema.type && !intOrString && !preserves) {
    errors.push(required(path(at, "type"), "must not be empty for specified object fields"));
  }
  if (intOrString && schema.type) {
    errors.push(forbiddenField(path(at, "type"), "must be empty if x-kubernetes-int-or-string is true"));
  }
  if (schema["x-kubernetes-embedded-resource"] && schema.type !== "object") {
    errors.push(
      invalidValue(path(at, "type"), schema.type ?? "", "must be object if x-kubernetes-embedded-resource is true"),
    );
  }
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  if (additional !== undefined && schema.properties && Object.keys(schema.properties).length > 0) {
    errors.push(
      forbiddenField(path(at, "additionalProperties"), "additionalProperties and properties are mutual exclusive"),
    );
  }
  if (additional === false)
    errors.push(forbiddenField(path(at, "additionalProperties"), "additionalProperties cannot be set to false"));
  if (typeof additional === "object") errors.push(...nodeErrors(additional, path(at, "additionalProperties")));
  if (schema.type === "array") errors.push(...listErrors(schema, at));
  return [
    ...errors,
    ...eachEntry(path(at, "properties"), schema.properties, (here, child) => nodeErrors(child, here)),
    ...conditionsErrors(schema, at, intOrString ?? false),
  ];
}

function keywordErrors(schema: JSONSchemaProps, at: string): Errors {
  const errors: Errors = unsupported
    .filter((keyword) => schema[keyword] !== undefined)
    .map((keyword) => forbiddenField(path(at, keyword), `${keyword} is not supported`));
  if (schema.uniqueItems)
    errors.push(
      forbiddenField(
        path(at, "uniqueItems"),
        "uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
      ),
    );
  if (schema.pattern !== undefined) {
    try {
      compileRe2(schema.pattern);
    } catch (error) {
      errors.push(
        invalidValue(
          path(at, "pattern"),
          schema.pattern,
          `must be a valid regular expression, but isn't: ${(error as Error).message}`,
        ),
      );
    }
  }
  const validations = path(at, "x-kubernetes-validations");
  return [
    ...errors,
    ...each(validations, schema["x-kubernetes-validations"], (here, { rule, reason }) => [
      ...(rule?.trim() ? [] : [required(path(here, "rule"), "rule is not specified")]),
      ...(reason && !validationReasons.includes(reason)
        ? [notSupported(path(here, "reason"), reason, validationReasons)]
        : []),
    ]),
  ];
}

const validationReasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

function listErrors(schema: JSONSchemaProps, at: string): Errors {
  const items = schema.items as JSONSchemaProps | undefined;
  if (!items || Array.isArray(items)) return [required(path(at, "items"), "must be specified")];
  const errors = nodeErrors(items, path(at, "items"));
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"];
  const keysField = path(at, "x-kubernetes-list-map-keys");
  if (listType && !["atomic", "map", "set"].includes(listType)) {
    errors.push(notSupported(path(at, "x-kubernetes-list-type"), listType, ["atomic", "map", "set"]));
  }
  if (listType !== "map") {
    if (keys?.length) {
      errors.push(
        invalidValue(
          path(at, "x-kubernetes-list-type"),
          listType ?? "",
          "must be map if x-kubernetes-list-map-keys is non-empty",
        ),
      );
    }
    return errors;
  }
  if (items.type !== "object") {
    errors.push(
      invalidValue(
        path(at, "items", "type"),
        items.type ?? "",
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    );
  }
  if (!keys?.length) errors.push(required(keysField, "must not be empty if x-kubernetes-list-type is map"));
  keys?.forEach((key, i) => {
    const property = items.properties?.[key];
    if (!property) {
      errors.push(invalidValue(path(keysField, i), key, "entries must all be names of item properties"));
    } else if (property.type === "array" || property.type === "object") {
      const field = path(keyed(path(at, "items", "properties"), key), "type");
      errors.push(
        invalidValue(field, property.type, "must be a scalar type if parent array's x-kubernetes-list-type is map"),
      );
    } else if (property.default === undefined && !items.required?.includes(key)) {
      const field = path(keyed(path(at, "items", "properties"), key), "default");
      errors.push(
        required(
          field,
          "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
      );
    }
  });
  return errors;
}

/** Conditions may restrict values, but not add structure. */
function conditionsErrors(schema: JSONSchemaProps, at: string, intOrString: boolean): Errors {
  const inside = (child: JSONSchemaProps, here: string): Errors => [
    ...structuralOnly
      // An int-or-string says so by types in anyOf.
      .filter((keyword) => child[keyword] !== undefined && !(keyword === "type" && intOrString))
      .map((keyword) => forbiddenField(path(here, keyword), "must be empty to be structural")),
    ...keywordErrors(child, here),
    ...eachEntry(path(here, "properties"), child.properties, (field, below) => inside(below, field)),
    ...(child.items && typeof child.items === "object"
      ? inside(child.items as JSONSchemaProps, path(here, "items"))
      : []),
    ...conditions(child, here),
  ];
  const conditions = (node: JSONSchemaProps, here: string): Errors => [
    ...junctors.flatMap((junctor) => each(path(here, junctor), node[junctor], (field, child) => inside(child, field))),
    ...(node.not ? inside(node.not, path(here, "not")) : []),
  ];
  return conditions(schema, at);
}
