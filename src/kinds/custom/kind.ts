// From a version of a CustomResourceDefinition to a kind: all behaviour of a built-in kind, derived from its schema.
import { applySchemaOfCustomResource } from "../apply-schema.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../generated/apiextensions.v1.ts";
import { allVerbs, apiVersionOf, type ForeignConversion, type Kind } from "../kind.ts";
import { decodeObject, type Decoded } from "../schema.ts";
import type { FieldError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Awaitable } from "../../machinery/turn.ts";
import { columnsOf, scaleOf, selectorFieldOf } from "./columns.ts";
import { withDefaults } from "./defaults.ts";
import { pruneObject } from "./prune.ts";
import { compileRules } from "./rules.ts";
import { isObject, type Json } from "./schema.ts";
import { schemaErrors } from "./validate.ts";

/** Somebody who converts between versions and remembers the outcome. */
export interface Converter {
  readonly known: (object: KubeObject, apiVersion: string) => KubeObject | undefined;
  readonly prepare: (objects: readonly KubeObject[], apiVersion: string) => Promise<void>;
}

export interface CustomKindOptions {
  readonly definition: CustomResourceDefinition;
  readonly version: CustomResourceDefinitionVersion;
  /** The names that the server has accepted, which may be fewer than those that the definition asks for. */
  readonly names: CustomResourceDefinitionNames;
  /** No more objects may be created: the definition is being deleted. */
  readonly terminating: boolean;
  /** For the Webhook strategy; without it only the name of the version changes. */
  readonly converter?: Converter | undefined;
  /** Judges by the rules of a schema what would hold up everybody else here; without it nothing is too long. */
  readonly judgeElsewhere?: JudgeElsewhere | undefined;
}

/** As `compileRules` does, all the way. */
export type JudgeElsewhere = (
  schema: JSONSchemaProps,
  object: KubeObject,
  old: KubeObject | undefined,
  errors: readonly FieldError[],
) => Promise<readonly FieldError[]>;

/** About 4 ms of rules. */
const stepsPerTurn = 15_000;

const open: JSONSchemaProps = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** The kind of one version. Throws when the definition could not have passed validation. */
export function customKind(options: CustomKindOptions): Kind {
  const { definition, version, names, terminating, converter, judgeElsewhere } = options;
  const { group, scope, versions } = definition.spec;
  const schema = version.schema?.openAPIV3Schema ?? open;
  const own = { group, version: version.name, kind: names.kind };
  const storageVersion = versions.find(({ storage }) => storage) ?? version;
  const stored = apiVersionOf({ group, version: storageVersion.name });
  const hasStatus = version.subresources?.status !== undefined;
  const scale = version.subresources?.scale;
  const selectable = version.selectableFields ?? [];
  const rules = compileRules(schema);
  const judge = (object: KubeObject, old?: KubeObject): Awaitable<readonly FieldError[]> => {
    const errors = schemaErrors(object, schema, old);
    if (!rules) return errors;
    const found = rules(object, old, errors, judgeElsewhere && stepsPerTurn);
    if (found) return [...errors, ...found];
    return judgeElsewhere!(schema, object, old, errors).then((later) => [...errors, ...later]);
  };
  return {
    ...own,
    plural: names.plural,
    singular: names.singular || names.kind.toLowerCase(),
    ...(names.shortNames?.length ? { shortNames: names.shortNames } : {}),
    ...(names.categories?.length ? { categories: names.categories } : {}),
    namespaced: scope === "Namespaced",
    verbs: terminating ? allVerbs.filter((verb) => verb !== "create") : allVerbs,
    schema: `${group}.${version.name}.${names.kind}`,
    nameRule: "subdomain",
    hasGeneration: true,
    subresources: {
      ...(hasStatus ? { status: true } : {}),
      ...(scale ? { scale: scaleOf(scale)! } : {}),
    },
    ...(selectable.length
      ? {
          selectableFields: Object.fromEntries(
            selectable.map(({ jsonPath }) => [jsonPath.replace(/^\./, ""), selectorFieldOf(jsonPath)]),
          ),
        }
      : {}),
    columns: columnsOf(version.additionalPrinterColumns),
    storage: {
      group,
      version: storageVersion.name,
      plural: names.plural,
      fromStored: (stored) => shaped(stored, apiVersionOf(own), schema, converter),
      toStored: (object) =>
        storageVersion === version
          ? object
          : shaped(object, stored, storageVersion.schema?.openAPIV3Schema ?? open, converter),
      ...(converter ? { foreign: foreignConversion(converter, apiVersionOf(own), stored) } : {}),
    },
    custom: {
      decode: (value) => decodeCustom(value, schema),
      applySchema: applySchemaOfCustomResource(schema),
      schema,
      validate: judge,
      ...(version.deprecated
        ? { deprecationWarning: version.deprecationWarning ?? `${group}/${version.name} ${names.kind} is deprecated` }
        : {}),
    },
    defaults: (draft) => void Object.assign(draft, defaulted(draft, schema)),
    prepareForCreate: (draft) => {
      if (hasStatus) delete (draft as { status?: unknown }).status;
    },
  };
}

/** Defaults never concern what every object has. */
function defaulted(object: KubeObject, schema: JSONSchemaProps): KubeObject {
  const { apiVersion, kind, metadata, ...rest } = object;
  return { ...(withDefaults(rest, schema) as object), apiVersion, kind, metadata };
}

const foreignConversion = (converter: Converter, own: string, stored: string): ForeignConversion => ({
  isReady: (object) => object.apiVersion === own || converter.known(object, own) !== undefined,
  prepare: (objects) => converter.prepare(objects, own),
  prepareStored: (object) => converter.prepare([object], stored),
});

/** The object in another version, as that version's schema has it. */
function shaped(
  object: KubeObject,
  apiVersion: string,
  schema: JSONSchemaProps,
  converter: Converter | undefined,
): KubeObject {
  const renamed =
    object.apiVersion === apiVersion ? object : (converter?.known(object, apiVersion) ?? { ...object, apiVersion });
  const pruned = pruneObject(renamed, schema).value as KubeObject;
  return withDefaults(pruned, schema) as KubeObject;
}

function decodeCustom(value: unknown, schema: JSONSchemaProps): Decoded {
  if (!isObject(value)) return { object: value, errors: ["the body is no object"], unknownFields: [] };
  const pruned = pruneObject(value, schema);
  const object = pruned.value as Json;
  if (object.metadata === undefined) return { ...pruned, object };
  const metadata = decodeObject(object.metadata, "meta.v1.ObjectMeta", { unknown: "collect" });
  return {
    object: metadata.object === object.metadata ? object : { ...object, metadata: metadata.object },
    errors: [...pruned.errors, ...metadata.errors.map((error) => `metadata: ${error}`)],
    unknownFields: [...pruned.unknownFields, ...metadata.unknownFields.map((field) => `metadata.${field}`)],
  };
}
