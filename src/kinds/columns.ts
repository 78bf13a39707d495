// Columns that many kinds share, and the short way to write one.
import { ageOf } from "../machinery/duration.ts";
import type { KubeObject } from "../machinery/object.ts";
import { formatLabels } from "../machinery/selector.ts";
import type { Column } from "./kind.ts";

type Cell = string | number | boolean | null | undefined;

/** A text column that is always shown. */
export const column = <T extends KubeObject>(
  name: string,
  value: (object: T, now: number) => Cell,
  options: Partial<Pick<Column<T>, "type" | "format" | "description" | "priority">> = {},
): Column<T> => ({ name, type: "string", value, ...options });

/** A text column that only `-o wide` shows. */
export const wideColumn = <T extends KubeObject>(name: string, value: (object: T, now: number) => Cell): Column<T> =>
  column(name, value, { priority: 1 });

export const nameColumn: Column<KubeObject> = {
  name: "Name",
  type: "string",
  format: "name",
  value: (object) => object.metadata.name,
};

export const ageColumn: Column<KubeObject> = {
  name: "Age",
  type: "string",
  value: (object, now) => ageOf(object.metadata.creationTimestamp, now),
};

/** Name and time of creation: for kinds that have nothing else to show. */
export const createdColumns: readonly Column<KubeObject>[] = [
  nameColumn,
  column("Created At", ({ metadata }) => metadata.creationTimestamp, { type: "date" }),
];

/** The columns of another version of a kind. */
export const columnsThrough = <T extends KubeObject, U extends KubeObject>(
  convert: (object: U) => T,
  columns: readonly Column<T>[],
): Column<U>[] => columns.map((one) => ({ ...one, value: (object, now) => one.value(convert(object), now) }));

/** Words joined by commas, `<none>` when there are none. */
export const listOrNone = (words: readonly string[]): string => (words.length ? words.join(",") : "<none>");

/** `a=b,c=d`, `<none>` when there are none. */
export const labelsOrNone = (labels: Readonly<Record<string, string>> | undefined): string =>
  formatLabels(labels) || "<none>";
