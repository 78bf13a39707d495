// Request bodies decoded from JSON or YAML, with every doubly given key found. Nothing here trusts the sender: depth is
// bounded, and each failure is a Status.
import { decodeProtobuf, protobufType } from "../protobuf/decode.ts";
import { badRequest, unsupportedMediaType } from "../../machinery/errors.ts";
import type { Awaitable } from "../../machinery/turn.ts";
import { parseInThread } from "./yaml.ts";

/** Deeper documents are refused, as recursive code works on them later. */
const maxDepth = 500;

export interface DecodedBody {
  readonly value: unknown;
  /** A complaint for each key that the document gives more than once: its path in JSON, its line in YAML. */
  readonly duplicates: readonly string[];
}

/** Media type without parameters, in lower case; "" when absent. */
export function mediaType(contentType = ""): string {
  const parameters = contentType.indexOf(";");
  return (parameters < 0 ? contentType : contentType.slice(0, parameters)).trim().toLowerCase();
}

/** Name of the schema type of an `apiVersion` and `kind`; undefined when there is none. */
export type SchemaLookup = (apiVersion: string, kind: string) => string | undefined;

/** Decodes by content type; an absent one means JSON. Throws, or rejects with, UnsupportedMediaType or BadRequest. */
export function decodeBody(
  bytes: Buffer,
  contentType: string | undefined,
  schemaOf: SchemaLookup,
): Awaitable<DecodedBody> {
  const type = mediaType(contentType);
  if (type === "" || type === "application/json") return decodeJson(bytes);
  if (type === "application/yaml") return decodeYaml(bytes);
  if (type === protobufType) return { value: decodeProtobuf(bytes, schemaOf), duplicates: [] };
  throw unsupportedMediaType(
    `the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, ${protobufType}`,
  );
}

export function decodeJson(bytes: Buffer): DecodedBody {
  const text = bytes.toString("utf8");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`the object provided is not valid JSON: ${(error as Error).message}`);
  }
  // Duplicates are rare and finding them is slow, so count the keys first: the text may not have more than the value.
  const same = countKeys(value, 0) === mostKeysIn(bytes);
  return {
    value,
    duplicates: same ? [] : findDuplicates(text).map((path) => `duplicate field ${JSON.stringify(path)}`),
  };
}

/** JSON is YAML, and what most clients send as YAML; anything else is parsed in a thread of its own. */
export async function decodeYaml(bytes: Buffer): Promise<DecodedBody> {
  if (/^\s*\{/.test(bytes.toString("latin1", 0, 64))) {
    try {
      return decodeJson(bytes);
    } catch {
      // A flow mapping that only YAML allows.
    }
  }
  const { value = null, duplicates, error } = await parseInThread(bytes.toString("utf8"));
  if (error !== undefined) throw badRequest(`error converting YAML to JSON: ${error}`);
  countKeys(value, 0);
  return { value, duplicates };
}

function countKeys(value: unknown, depth: number): number {
  if (value === null || typeof value !== "object") return 0;
  if (depth > maxDepth) throw badRequest(`the object provided is nested deeper than ${maxDepth} levels`);
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) if (typeof item === "object") count += countKeys(item, depth + 1);
    return count;
  }
  const record = value as Record<string, unknown>;
  for (const key in record) {
    count++;
    const child = record[key];
    if (typeof child === "object") count += countKeys(child, depth + 1);
  }
  return count;
}

/** Index just past the string that opens at `quote`. The text is valid JSON. */
function endOfString(text: string, quote: number): number {
  let end = text.indexOf('"', quote + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 92) backslashes++;
    if (backslashes % 2 === 0) return end + 1;
    end = text.indexOf('"', end + 1);
  }
}

const isColonNext = (text: string, from: number): boolean => {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 58) return true;
    if (code !== 32 && code !== 10 && code !== 13 && code !== 9) return false;
    at++;
  }
};

/**
 * The colons after a quote that is not escaped, as those within the names of managed fields are, in a valid JSON text: one
 * for each key, rarely more, as within the string `":80"`.
 */
function mostKeysIn(bytes: Buffer): number {
  let count = 0;
  for (let i = 1; i < bytes.length; i++) {
    if (bytes[i] !== 58) continue;
    let before = i - 1;
    while (bytes[before]! <= 32) before--;
    if (bytes[before] !== 34) continue;
    let backslashes = 0;
    while (bytes[before - 1 - backslashes] === 92) backslashes++;
    if (backslashes % 2 === 0) count++;
  }
  return count;
}

interface Level {
  readonly keys: Set<string> | undefined;
  readonly path: string;
  index: number;
  key: string;
}

/** Walks valid JSON text and collects the paths of repeated keys. */
function findDuplicates(text: string): string[] {
  const found: string[] = [];
  const levels: Level[] = [];
  const pathOf = (level: Level | undefined): string => {
    if (!level) return "";
    if (!level.keys) return `${level.path}[${level.index}]`;
    return level.path ? `${level.path}.${level.key}` : level.key;
  };
  for (let at = 0; at < text.length;) {
    const char = text[at]!;
    const level = levels.at(-1);
    if (char === '"') {
      const end = endOfString(text, at);
      if (level?.keys && isColonNext(text, end)) {
        level.key = JSON.parse(text.slice(at, end)) as string;
        if (level.keys.has(level.key)) found.push(pathOf(level));
        level.keys.add(level.key);
      }
      at = end;
      continue;
    }
    if (char === "{") levels.push({ keys: new Set(), path: pathOf(level), index: 0, key: "" });
    else if (char === "[") levels.push({ keys: undefined, path: pathOf(level), index: 0, key: "" });
    else if (char === "}" || char === "]") levels.pop();
    else if (char === "," && level && !level.keys) level.index++;
    at++;
  }
  return [...new Set(found)];
}
