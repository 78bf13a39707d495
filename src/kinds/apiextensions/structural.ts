// Whether the OpenAPI schema of a CustomResourceDefinition is structural, so that pruning and defaulting can work by it.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/schema/validation.go and pkg/apis/apiextensions/validation.
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";
import { forbiddenField, invalidValue, keyed, notSupported, path, required } from "../../machinery/field.ts";
import { compileRe2 } from "../../machinery/re2.ts";
import { all, each, eachEntry, type Errors, fields, type Found, optionallyAmong, optionallyOneOf } from "../checks.ts";

const types = ["array", "boolean", "integer", "number", "object", "string"];
/** Keywords that OpenAPI in a definition may not use at all. */
const unsupported = ["$ref", "definitions", "dependencies", "patternProperties", "additionalItems", "id"] as const;
/** Keywords that only the structure itself may use, not conditions such as allOf. */
const structuralOnly = ["type", "description", "title", "default", "nullable", "additionalProperties"] as const;
const junctors = ["allOf", "anyOf", "oneOf"] as const;

/** The whole schema of a version. */
export function structuralErrors(schema: JSONSchemaProps, at: string): Errors {
  const type = path(at, "type");
  return all(
    nodeErrors(schema, at),
    !schema.type && required(type, "must not be empty at the root"),
    schema.type && schema.type !== "object" && invalidValue(type, schema.type, "must be object at the root"),
    schema.nullable && forbiddenField(path(at, "nullable"), "nullable cannot be true at the root"),
    metadataErrors(schema.properties?.metadata, path(at, "properties[metadata]")),
  );
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
  const { type = "", properties } = schema;
  const intOrString = schema["x-kubernetes-int-or-string"] ?? false;
  const embedded = schema["x-kubernetes-embedded-resource"];
  const preserves = schema["x-kubernetes-preserve-unknown-fields"];
  const additional = schema.additionalProperties as JSONSchemaProps | boolean | undefined;
  const both = additional !== undefined && Object.keys(properties ?? {}).length > 0;
  const [typeAt, additionalAt] = [path(at, "type"), path(at, "additionalProperties")];
  return all(
    keywordErrors(schema, at),
    type && !types.includes(type) && notSupported(typeAt, type, types),
    !type && !intOrString && !preserves && required(typeAt, "must not be empty for specified object fields"),
    intOrString && type && forbiddenField(typeAt, "must be empty if x-kubernetes-int-or-string is true"),
    embedded &&
      type !== "object" &&
      invalidValue(typeAt, type, "must be object if x-kubernetes-embedded-resource is true"),
    both && forbiddenField(additionalAt, "additionalProperties and properties are mutual exclusive"),
    additional === false && forbiddenField(additionalAt, "additionalProperties cannot be set to false"),
    typeof additional === "object" && nodeErrors(additional, additionalAt),
    type === "array" && listErrors(schema, at),
    eachEntry(path(at, "properties"), properties, (here, child) => nodeErrors(child, here)),
    conditionsErrors(schema, at, intOrString),
  );
}

function patternErrors(at: string, pattern: string): Errors {
  try {
    compileRe2(pattern);
    return [];
  } catch (error) {
    return [invalidValue(at, pattern, `must be a valid regular expression, but isn't: ${(error as Error).message}`)];
  }
}

function keywordErrors(schema: JSONSchemaProps, at: string): Errors {
  const { pattern, uniqueItems, "x-kubernetes-validations": validations } = schema;
  const costly = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
  return all(
    unsupported
      .filter((keyword) => schema[keyword] !== undefined)
      .map((keyword) => forbiddenField(path(at, keyword), `${keyword} is not supported`)),
    uniqueItems && forbiddenField(path(at, "uniqueItems"), costly),
    pattern !== undefined && patternErrors(path(at, "pattern"), pattern),
    each(path(at, "x-kubernetes-validations"), validations, (here, validation) =>
      fields(here, validation, {
        rule: (field, rule) => !rule?.trim() && required(field, "rule is not specified"),
        reason: optionallyAmong(validationReasons),
      }),
    ),
  );
}

const validationReasons = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

function listErrors(schema: JSONSchemaProps, at: string): Errors {
  const items = schema.items as JSONSchemaProps | undefined;
  if (!items || Array.isArray(items)) return [required(path(at, "items"), "must be specified")];
  const listType = schema["x-kubernetes-list-type"] ?? "";
  const keys = schema["x-kubernetes-list-map-keys"];
  const [typeAt, keysAt] = [path(at, "x-kubernetes-list-type"), path(at, "x-kubernetes-list-map-keys")];
  const errors = all(
    nodeErrors(items, path(at, "items")),
    optionallyOneOf(typeAt, listType, ["atomic", "map", "set"]),
    listType !== "map" &&
      keys?.length &&
      invalidValue(typeAt, listType, "must be map if x-kubernetes-list-map-keys is non-empty"),
  );
  if (listType !== "map") return errors;
  const notObject = "must be object if parent array's x-kubernetes-list-type is map";
  return all(
    errors,
    items.type !== "object" && invalidValue(path(at, "items", "type"), items.type ?? "", notObject),
    !keys?.length && required(keysAt, "must not be empty if x-kubernetes-list-type is map"),
    each(keysAt, keys, (here, key) => keyErrors(here, key, items, path(at, "items", "properties"))),
  );
}

/** A key of list elements is a scalar that is always there. */
function keyErrors(at: string, key: string, items: JSONSchemaProps, properties: string): Found {
  const property = items.properties?.[key];
  if (!property) return invalidValue(at, key, "entries must all be names of item properties");
  const field = keyed(properties, key);
  if (property.type === "array" || property.type === "object") {
    const text = "must be a scalar type if parent array's x-kubernetes-list-type is map";
    return invalidValue(path(field, "type"), property.type, text);
  }
  const text = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
  const isGiven = property.default !== undefined || items.required?.includes(key);
  return !isGiven && required(path(field, "default"), text);
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
