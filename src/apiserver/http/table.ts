// The Table and PartialObjectMetadata representations of objects. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/handlers/response.go (shapes, includeObject).
import { ageColumn, nameColumn } from "../../kinds/columns.ts";
import type { Column } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject } from "../../machinery/object.ts";

/** What each row carries besides its cells. */
export type IncludeObject = "None" | "Metadata" | "Object";

export interface PartialObject {
  readonly kind: "PartialObjectMetadata";
  readonly apiVersion: string;
  readonly metadata: KubeObject["metadata"];
}

const defaultColumns: readonly Column<KubeObject>[] = [nameColumn, ageColumn];

const columnsOf = (kind: AnyKind): readonly Column<KubeObject>[] => kind.columns ?? defaultColumns;

export function columnDefinitions(kind: AnyKind): unknown[] {
  return columnsOf(kind).map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format: format ?? "",
    description: description ?? name,
    priority: priority ?? 0,
  }));
}

export const partialObject = (object: KubeObject, version: string): PartialObject => ({
  kind: "PartialObjectMetadata",
  apiVersion: `meta.k8s.io/${version}`,
  metadata: object.metadata,
});

/** One row; `now` is in epoch milliseconds, for ages. */
export function tableRow(
  kind: AnyKind,
  object: KubeObject,
  include: IncludeObject,
  now: number,
  version = "v1",
): unknown {
  const cells = columnsOf(kind).map((column) => column.value(object, now) ?? null);
  if (include === "None") return { cells, object: null };
  return { cells, object: include === "Object" ? object : partialObject(object, version) };
}

/** A Table of some rows, as a watch event or a single get carries it. */
export function tableOf(
  kind: AnyKind,
  rows: readonly unknown[],
  options: { readonly version: string; readonly metadata: object; readonly withColumns: boolean },
): unknown {
  return {
    kind: "Table",
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: options.metadata,
    columnDefinitions: options.withColumns ? columnDefinitions(kind) : null,
    rows,
  };
}
