// knarr apply, get, describe and delete: what a machine without kubectl needs, on the client that everything uses.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { parseAllDocuments, stringify } from "yaml";
import { connect, type Place } from "./connect.ts";
import { findKind, kindOf } from "./kinds.ts";
import type { HttpsClient } from "../client/https.ts";
import { Event } from "../kinds/index.ts";
import type { AnyKind } from "../kinds/registry.ts";
import { formatAge } from "../machinery/duration.ts";
import { isReason } from "../machinery/errors.ts";
import type { KubeObject } from "../machinery/object.ts";

interface Target extends Place {
  readonly namespace: string;
  readonly resource: string;
  readonly objectName?: string;
}

/** `pods/web` is the same as `pods web`. */
async function splitTarget(
  client: HttpsClient,
  resource: string,
  name: string | undefined,
): Promise<{ kind: AnyKind; name?: string }> {
  const slash = resource.indexOf("/");
  if (slash < 0) return { kind: await findKind(client, resource), name };
  return { kind: await findKind(client, resource.slice(0, slash)), name: resource.slice(slash + 1) };
}

export function pathOf(kind: AnyKind, namespace: string | undefined, name?: string): string {
  const root = kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`;
  const scope = kind.namespaced && namespace ? `/namespaces/${namespace}` : "";
  return `${root}${scope}/${kind.plural}${name ? `/${name}` : ""}`;
}

// ── apply and delete ────────────────────────────────────────────────────────────────────────────────────────────────

/** Objects of files, directories (their .yaml, .yml and .json files, by name) and standard input. */
async function readObjects(filenames: readonly string[]): Promise<KubeObject[]> {
  const objects: KubeObject[] = [];
  for (const filename of filenames) {
    const files =
      filename !== "-" && statSync(filename).isDirectory()
        ? readdirSync(filename)
            .filter((f) => /\.(ya?ml|json)$/.test(f))
            .toSorted()
            .map((f) => join(filename, f))
        : [filename];
    for (const file of files)
      objects.push(...parseObjects(file, file === "-" ? await text(process.stdin) : readFileSync(file, "utf8")));
  }
  if (objects.length === 0) throw new Error(`no objects in ${filenames.join(", ")}`);
  return objects;
}

function parseObjects(file: string, content: string): KubeObject[] {
  return parseAllDocuments(content).flatMap((document) => {
    const problem = document.errors[0];
    if (problem) throw new Error(`${file}: ${problem.message}`);
    const value = document.toJS() as (KubeObject & { items?: KubeObject[] }) | null;
    if (value === null) return [];
    if (typeof value.apiVersion !== "string" || typeof value.kind !== "string") {
      throw new Error(`${file}: an object needs apiVersion and kind`);
    }
    return value.items && value.kind.endsWith("List") ? value.items : [value];
  });
}

const title = (kind: AnyKind, name: string) =>
  `${kind.plural === kind.singular ? kind.plural : kind.singular}${kind.group ? `.${kind.group}` : ""}/${name}`;

export async function apply(options: Place & { namespace: string; filename: string[] }): Promise<void> {
  const objects = await readObjects(options.filename);
  await using client = await connect(options);
  for (const object of objects) {
    const kind = await kindOf(client, object);
    const name = object.metadata?.name;
    if (!name) throw new Error(`an object of kind ${object.kind} has no metadata.name`);
    const namespace = kind.namespaced ? (object.metadata.namespace ?? options.namespace) : undefined;
    const before = await client.get(kind, name, namespace).catch(absent);
    const after = await client.patch(kind, { name, namespace }, "apply", object, {
      fieldManager: "knarr",
      force: true,
      fieldValidation: "Strict",
    });
    const same = before?.metadata.resourceVersion === after.metadata.resourceVersion;
    console.log(`${title(kind, name)} ${before === undefined ? "created" : same ? "unchanged" : "configured"}`);
  }
}

function absent(error: unknown): undefined {
  if (isReason(error, "NotFound")) return undefined;
  throw error;
}

export async function remove(
  options: Omit<Target, "resource"> & { resource?: string; filename: string[]; gracePeriod?: number; wait: boolean },
): Promise<void> {
  const objects = options.resource ? [] : (await readObjects(options.filename)).toReversed();
  await using client = await connect(options);
  const named = options.resource
    ? [await namedTarget(client, options.resource, options.objectName, options.namespace)]
    : await Promise.all(
        objects.map(async (object) => ({
          kind: await kindOf(client, object),
          name: object.metadata.name,
          namespace: object.metadata.namespace ?? options.namespace,
        })),
      );
  for (const { kind, name, namespace } of named) {
    const scope = kind.namespaced ? namespace : undefined;
    await client.delete(
      kind,
      { name, namespace: scope },
      { gracePeriodSeconds: options.gracePeriod, propagationPolicy: "Background" },
    );
    console.log(`${title(kind, name)} deleted`);
    if (options.wait) await untilGone(client, kind, name, scope);
  }
}

async function namedTarget(client: HttpsClient, resource: string, objectName: string | undefined, namespace: string) {
  const { kind, name } = await splitTarget(client, resource, objectName);
  if (!name) throw new Error("say which object: knarr delete RESOURCE NAME");
  return { kind, name, namespace };
}

async function untilGone(
  client: HttpsClient,
  kind: AnyKind,
  name: string,
  namespace: string | undefined,
): Promise<void> {
  const stop = new AbortController();
  const current = await client.list(kind, { namespace, fieldSelector: `metadata.name=${name}` });
  if (current.items.length === 0) return;
  const options = {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    resourceVersion: current.metadata.resourceVersion,
    signal: stop.signal,
  };
  for await (const event of client.watch(kind, options)) if (event.type === "DELETED") break;
  stop.abort();
}

// ── get ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Table {
  columnDefinitions: { name: string; priority: number }[];
  rows: { cells: unknown[]; object: KubeObject }[];
}

const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

export async function get(
  options: Target & { allNamespaces?: boolean; selector?: string; output?: string; watch?: boolean },
): Promise<void> {
  const format = options.output ?? "table";
  if (!["table", "wide", "yaml", "json", "name"].includes(format))
    throw new Error(`no output format "${format}": wide, yaml, json or name`);
  await using client = await connect(options);
  const { kind, name } = await splitTarget(client, options.resource, options.objectName);
  const everywhere = options.allNamespaces === true && kind.namespaced;
  const query = new URLSearchParams();
  if (options.selector) query.set("labelSelector", options.selector);
  const path = pathOf(kind, everywhere ? undefined : options.namespace, options.watch ? undefined : name);
  if (options.watch) {
    query.set("watch", "true");
    if (name) query.set("fieldSelector", `metadata.name=${name}`);
  }
  const accept = format === "table" || format === "wide" ? tableType : "application/json";
  const answer = await client.request("GET", `${path}?${query}`, { headers: { accept } });
  if (options.watch)
    return printWatch(answer.body, { wide: format === "wide", everywhere, table: accept === tableType });
  const body = JSON.parse(await text(answer.body)) as unknown;
  if (format === "yaml") return console.log(stringify(body).trimEnd());
  if (format === "json") return console.log(JSON.stringify(body, null, 2));
  if (format === "name") {
    const list = body as KubeObject & { items?: KubeObject[] };
    for (const object of list.items ?? [list]) console.log(title(kind, object.metadata.name));
    return;
  }
  const table = body as Table;
  if (table.rows.length === 0)
    return console.error(everywhere ? "No resources found" : `No resources found in ${options.namespace} namespace.`);
  printRows(table, { wide: format === "wide", everywhere, header: true });
}

function printRows(table: Table, options: { wide: boolean; everywhere: boolean; header: boolean }): void {
  const shown = table.columnDefinitions
    .map((column, index) => ({ ...column, index }))
    .filter((c) => options.wide || c.priority === 0);
  const header = [...(options.everywhere ? ["NAMESPACE"] : []), ...shown.map((c) => c.name.toUpperCase())];
  const rows = table.rows.map((row) => [
    ...(options.everywhere ? [row.object.metadata.namespace ?? ""] : []),
    ...shown.map((c) => String(row.cells[c.index] ?? "")),
  ]);
  for (const line of alignColumns(options.header ? [header, ...rows] : rows)) console.log(line);
}

/** Others wrote the cells: none may give commands to the terminal. */
function alignColumns(cells: readonly (readonly string[])[]): string[] {
  const rows = cells.map((row) => row.map((cell) => cell.replace(/\p{Cc}/gu, " ")));
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]! + 3))
      .join("")
      .trimEnd(),
  );
}

async function printWatch(
  body: AsyncIterable<Buffer>,
  options: { wide: boolean; everywhere: boolean; table: boolean },
): Promise<void> {
  let rest = "";
  let columns: Table["columnDefinitions"] | undefined;
  for await (const chunk of body) {
    const lines = (rest + chunk.toString("utf8")).split("\n");
    rest = lines.pop()!;
    for (const line of lines.filter(Boolean)) {
      const { object } = JSON.parse(line) as { object: Table };
      if (!options.table) console.log(line);
      else {
        printRows(
          { ...object, columnDefinitions: object.columnDefinitions ?? columns! },
          { ...options, header: columns === undefined },
        );
        columns ??= object.columnDefinitions;
      }
    }
  }
}

// ── describe ────────────────────────────────────────────────────────────────────────────────────────────────────────

export async function describe(options: Target): Promise<void> {
  await using client = await connect(options);
  const { kind, name } = await splitTarget(client, options.resource, options.objectName);
  const namespace = kind.namespaced ? options.namespace : undefined;
  const object = (await client.get(kind, name!, namespace)) as KubeObject & Record<string, unknown>;
  console.log(stringify(described(object)).trimEnd());
  const selector = `involvedObject.kind=${kind.kind},involvedObject.name=${name}`;
  const events = await client.list(Event, { namespace: namespace ?? "default", fieldSelector: selector });
  if (events.items.length === 0) return console.log("Events: none");
  console.log("Events:");
  const rows = events.items.map((event) => [
    event.type ?? "",
    event.reason ?? "",
    formatAge(Date.now() - Date.parse(event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp)),
    event.source?.component ?? event.reportingComponent ?? "",
    event.message ?? "",
  ]);
  for (const line of alignColumns([["TYPE", "REASON", "AGE", "FROM", "MESSAGE"], ...rows])) console.log(`  ${line}`);
}

/** Without what only machines read, and with the sizes of what is secret: people show this to others. */
function described({ apiVersion, kind, metadata, ...rest }: KubeObject & Record<string, unknown>): object {
  const { labels, annotations, managedFields: _, name, namespace, ...other } = metadata;
  const { [lastApplied]: __, ...notes } = annotations ?? {};
  const isSecret = kind === "Secret" && apiVersion === "v1";
  const sizes = Object.entries((isSecret && (rest.data as Record<string, string>)) || {}).map(
    ([key, value]) => [key, `${Buffer.byteLength(value, "base64")} bytes`] as const,
  );
  const shown = {
    Name: name,
    Namespace: namespace,
    Kind: `${kind} (${apiVersion})`,
    Labels: labels,
    Annotations: Object.keys(notes).length > 0 ? notes : undefined,
    Metadata: other,
    ...rest,
    ...(isSecret ? { data: Object.fromEntries(sizes) } : {}),
  };
  return Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined));
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";
