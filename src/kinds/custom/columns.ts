// What tables show of custom resources, and their fields for selectors and scale, all found by JSONPath.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/registry/customresource/tableconvertor (cells).
import { ageOf } from "../../machinery/duration.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { ageColumn, nameColumn } from "../columns.ts";
import type { CustomResourceColumnDefinition, CustomResourceSubresourceScale } from "../generated/apiextensions.v1.ts";
import type { Column, Subresources } from "../kind.ts";
import { compileJsonPath } from "./json-path.ts";
import { isObject, type Json } from "./schema.ts";

type Cell = string | number | boolean | null;

/** The name and the declared columns, or the age where none are declared. */
export function columnsOf(declared: readonly CustomResourceColumnDefinition[] | undefined): Column<KubeObject>[] {
  return [nameColumn, ...(declared?.length ? declared.map(columnOf) : [ageColumn])];
}

function columnOf(declared: CustomResourceColumnDefinition): Column<KubeObject> {
  const { name, type, format, description, priority, jsonPath } = declared;
  const find = compileJsonPath(jsonPath);
  return {
    name,
    type: type as Column<KubeObject>["type"],
    ...(format ? { format } : {}),
    description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    ...(priority ? { priority } : {}),
    value: (object, now) => cellOf(find(object), type, now),
  };
}

function cellOf(found: readonly unknown[], type: string, now: number): Cell {
  const [value] = found;
  if (value === undefined || value === null) return null;
  switch (type) {
    case "integer":
      return typeof value === "number" ? Math.trunc(value) : null;
    case "number":
      return typeof value === "number" ? value : null;
    case "boolean":
      return typeof value === "boolean" ? value : null;
    case "date":
      return typeof value === "string" ? ageOf(value, now) : "<invalid>";
    default:
      return found.map(textOf).join(",");
  }
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** The field under a JSONPath as selectors compare it: "" when it is absent. */
export function selectorFieldOf(jsonPath: string): (object: KubeObject) => string {
  const find = compileJsonPath(jsonPath);
  return (object) => {
    const [value] = find(object);
    return value === undefined || value === null ? "" : String(value);
  };
}

/** `/scale` over the paths that the definition names. */
export function scaleOf(scale: CustomResourceSubresourceScale): Subresources<KubeObject>["scale"] {
  const numberAt = (text: string) => {
    const find = compileJsonPath(text);
    return (object: KubeObject) => Number(find(object)[0] ?? 0);
  };
  const spec = numberAt(scale.specReplicasPath);
  const status = numberAt(scale.statusReplicasPath);
  const selector = scale.labelSelectorPath ? selectorFieldOf(scale.labelSelectorPath) : () => "";
  const path = scale.specReplicasPath.split(".").slice(1);
  return {
    get: (object) => ({ specReplicas: spec(object), statusReplicas: status(object), selector: selector(object) }),
    set: (draft, replicas) => {
      let at = draft as unknown as Json;
      for (const name of path.slice(0, -1)) {
        if (!isObject(at[name])) at[name] = {};
        at = at[name] as Json;
      }
      at[path.at(-1)!] = replicas;
    },
  };
}
