// Configuration files of the API server: read strictly, so that no misspelt field is passed over, and followed.
import { readFileSync, watch } from "node:fs";
import { basename, dirname } from "node:path";
import type { Logger } from "../../machinery/log.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { path } from "../../machinery/field.ts";

/** What a value must be: a scalar's type, a list of something, or an object with these fields and no others. */
export type Shape = "string" | "boolean" | "number" | readonly [Shape] | { readonly [field: string]: Shape };

/** The object in the YAML or JSON. Throws an Error when it is of another kind or version, or has fields of other shapes. */
export async function parseConfig(
  text: string,
  wanted: { readonly kind: string; readonly apiVersions: readonly string[]; readonly shape: Record<string, Shape> },
): Promise<Record<string, unknown>> {
  const { parse } = await import("yaml");
  const value = parse(text) as Record<string, unknown> | null;
  if (value?.kind !== wanted.kind || !wanted.apiVersions.includes(String(value.apiVersion))) {
    throw new Error(`it must be ${wanted.kind} of ${wanted.apiVersions.join(" or ")}`);
  }
  const complaint = mismatch(value, { ...wanted.shape, kind: "string", apiVersion: "string" }, "");
  if (complaint) throw new Error(complaint);
  return value;
}

function mismatch(value: unknown, shape: Shape, at: string): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof shape === "string") return typeof value === shape ? undefined : `${at} must be a ${shape}`;
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return `${at} must be a list`;
    return firstOf(value.entries(), ([index, item]) => mismatch(item, shape[0] as Shape, path(at, index)));
  }
  if (typeof value !== "object" || Array.isArray(value)) return `${at || "it"} must be an object`;
  const fields = shape as Readonly<Record<string, Shape>>;
  return firstOf(Object.entries(value), ([name, inner]) =>
    Object.hasOwn(fields, name) ? mismatch(inner, fields[name]!, path(at, name)) : `unknown field ${path(at, name)}`,
  );
}

function firstOf<T>(items: Iterable<T>, find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found) return found;
  }
  return undefined;
}

/** Throws an Error with all complaints, if there are any. */
export function refuse(errors: readonly FieldError[]): void {
  if (errors.length > 0) throw new Error(errors.map(({ field, message }) => `${field}: ${message}`).join("; "));
}

/**
 * Has `load` read the file now and whenever it is another one, also when it is replaced by renaming; `use` gets what came
 * out of it. Throws an Error that names the file when it cannot be used now; later that is only logged.
 */
export async function followConfig<T>(file: string, { load, use, log, signal }: FollowOptions<T>): Promise<void> {
  let text: string | undefined;
  const loadNow = async () => {
    const next = readFileSync(file, "utf8");
    // A file that is being written anew is empty for a moment.
    if (next === text || (next === "" && text !== undefined)) return false;
    text = next;
    const loaded = await load(next);
    if (text === next) use(loaded);
    return true;
  };
  const again = () =>
    loadNow().then(
      (changed) => changed && log.info({ file }, "the configuration was loaded anew"),
      (error: unknown) => log.error({ file, error }, "the configuration cannot be used: it stays as it was"),
    );
  try {
    await loadNow();
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
  // The directory, as a replaced file is another one than the one watched; mounted ConfigMaps are replaced by their link.
  const watcher = watch(dirname(file), { persistent: false, signal }, (_, changed) => {
    if (changed === basename(file) || changed === "..data") void again();
  });
  watcher.on("error", (error) => log.warn({ file, error }, "changes of the configuration will not be noticed"));
}

interface FollowOptions<T> {
  readonly load: (text: string) => Promise<T>;
  readonly use: (loaded: T) => void;
  readonly log: Logger;
  readonly signal: AbortSignal;
}
