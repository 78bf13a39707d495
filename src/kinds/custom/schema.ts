// The structural schema of a custom resource as the walkers read it, and small questions about it.
import type { JSONSchemaProps } from "../generated/apiextensions.v1.ts";

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const preservesUnknown = (schema: JSONSchemaProps): boolean =>
  schema["x-kubernetes-preserve-unknown-fields"] === true;

/** Schema of a property that is declared by name. */
export const propertyOf = (schema: JSONSchemaProps, name: string): JSONSchemaProps | undefined =>
  schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;

/** Schema of the values of a map; undefined when the schema declares none. */
export const valuesOf = (schema: JSONSchemaProps): JSONSchemaProps | undefined =>
  isObject(schema.additionalProperties) ? (schema.additionalProperties as JSONSchemaProps) : undefined;

/** Schema of the elements of a list. */
export const itemsOf = (schema: JSONSchemaProps): JSONSchemaProps | undefined =>
  isObject(schema.items) ? (schema.items as JSONSchemaProps) : undefined;

/** Schema of one member of an object, declared by name or as a value of the map. */
export const memberOf = (schema: JSONSchemaProps, name: string): JSONSchemaProps | undefined =>
  propertyOf(schema, name) ?? valuesOf(schema);

/** Fields of every object that schemas say nothing about, unless it is to restrict names. */
export const systemFields: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);
