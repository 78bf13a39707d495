// JSON Patch (RFC 6902). Follows kubernetes v1.36 apiserver/pkg/endpoints/handlers/patch.go (limits, which error is which status).
import { deepEqual } from "../equal.ts";
import { badRequest, requestEntityTooLarge, statusError, textOf, type StatusError } from "../errors.ts";

const maxOperations = 10_000;
/** Bytes that all copy operations of one patch may add together. */
const copyLimit = 3 * 1024 * 1024;

type Json = unknown;
type JsonObject = Record<string, Json>;

interface Operation {
  readonly op?: Json;
  readonly path?: Json;
  readonly from?: Json;
  readonly value?: Json;
}

function rejected(detail: string): StatusError {
  return statusError("Invalid", "the server rejected our request due to an error in our request", {
    causes: [{ message: detail }],
  });
}

/**
 * Applies a JSON Patch and returns the changed document; neither argument is written to.
 * Throws BadRequest for what is no patch, Invalid when an operation does not apply (the cause says which).
 */
export function applyJsonPatch(document: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw badRequest("a JSON patch is an array of operations");
  if (patch.length > maxOperations) {
    throw requestEntityTooLarge(
      `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`,
    );
  }
  let copied = 0;
  let result = document;
  for (const operation of patch as Operation[]) {
    if (typeof operation !== "object" || operation === null)
      throw badRequest("an operation of a JSON patch is an object");
    if (operation.op === "copy") {
      const value = read(result, tokensOf(operation.from, "from"), "copy");
      copied += Buffer.byteLength(JSON.stringify(value));
      if (copied > copyLimit) {
        throw rejected(
          `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${copyLimit}`,
        );
      }
    }
    result = applyOperation(result, operation);
  }
  return result;
}

function applyOperation(document: Json, operation: Operation): Json {
  const at = tokensOf(operation.path, "path");
  const value = () => {
    if (operation.value === undefined) throw rejected(`${textOf(operation.op)} operation lacks a value`);
    return operation.value;
  };
  switch (operation.op) {
    case "add":
      return write(document, at, 0, { op: "add", value: value() });
    case "replace":
      return write(document, at, 0, { op: "replace", value: value() });
    case "remove":
      return write(document, at, 0, { op: "remove" });
    case "test":
      // A client may test that a field is absent by testing for null.
      if (!deepEqual(lookUp(document, at) ?? null, operation.value ?? null)) {
        throw rejected(`testing value ${String(operation.path)} failed`);
      }
      return document;
    case "copy":
      return write(document, at, 0, { op: "add", value: read(document, tokensOf(operation.from, "from"), "copy") });
    case "move": {
      const from = tokensOf(operation.from, "from");
      if (from.length < at.length && from.every((token, i) => token === at[i])) {
        throw rejected("a value cannot be moved into itself");
      }
      const moved = read(document, from, "move");
      return write(write(document, from, 0, { op: "remove" }), at, 0, { op: "add", value: moved });
    }
    default:
      throw rejected(`Unexpected kind: ${textOf(operation.op ?? "unknown")}`);
  }
}

function tokensOf(pointer: Json, what: string): string[] {
  if (typeof pointer !== "string") throw rejected(`operation lacks a ${what}`);
  if (pointer === "") return [];
  if (!pointer.startsWith("/")) throw rejected(`${what} ${JSON.stringify(pointer)} must start with /`);
  return pointer
    .slice(1)
    .split("/")
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

const pointerOf = (tokens: readonly string[]) =>
  tokens.map((token) => `/${token.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

function lookUp(document: Json, tokens: readonly string[]): Json {
  let node = document;
  for (const token of tokens) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, token)) return undefined;
    if (Array.isArray(node) && !/^\d+$/.test(token)) return undefined;
    node = (node as JsonObject)[token];
  }
  return node;
}

function read(document: Json, tokens: readonly string[], op: string): Json {
  const value = lookUp(document, tokens);
  if (value === undefined)
    throw rejected(`${op} operation does not apply: doc is missing from path: ${pointerOf(tokens)}: missing value`);
  return value;
}

type Change =
  | { readonly op: "add" | "replace"; readonly value: Json }
  | { readonly op: "remove"; readonly value?: undefined };

/** A copy of `node` with the change made at `tokens[depth…]`; only the nodes on the way are copied. */
function write(node: Json, tokens: readonly string[], depth: number, change: Change): Json {
  if (depth === tokens.length) {
    if (change.op === "remove") throw rejected("the whole document cannot be removed");
    return change.value;
  }
  if (typeof node !== "object" || node === null) throw missing(tokens, change.op);
  const token = tokens[depth]!;
  const last = depth === tokens.length - 1;
  return Array.isArray(node)
    ? writeItem(node, token, last, tokens, depth, change)
    : writeProperty(node as JsonObject, token, last, tokens, depth, change);
}

const missing = (tokens: readonly string[], op: string) =>
  rejected(`${op} operation does not apply: doc is missing path: ${pointerOf(tokens)}: missing value`);

function writeProperty(
  node: JsonObject,
  token: string,
  last: boolean,
  tokens: readonly string[],
  depth: number,
  change: Change,
): JsonObject {
  const exists = Object.hasOwn(node, token) && node[token] !== undefined;
  if (!exists && !(last && change.op === "add")) throw missing(tokens, change.op);
  if (last && change.op === "remove") {
    const { [token]: _removed, ...rest } = node;
    return rest;
  }
  return { ...node, [token]: last ? change.value : write(node[token], tokens, depth + 1, change) };
}

function writeItem(
  node: readonly Json[],
  token: string,
  last: boolean,
  tokens: readonly string[],
  depth: number,
  change: Change,
): Json[] {
  const index = token === "-" ? node.length : /^(0|[1-9]\d*)$/.test(token) ? Number(token) : Number.NaN;
  const limit = last && change.op === "add" ? node.length : node.length - 1;
  if (Number.isNaN(index))
    throw rejected(`${change.op} operation does not apply: ${JSON.stringify(token)} is no array index`);
  if (index > limit) {
    throw rejected(
      `${change.op} operation does not apply: Unable to access invalid index: ${index}: invalid index referenced`,
    );
  }
  if (!last) return node.with(index, write(node[index], tokens, depth + 1, change));
  if (change.op === "remove") return node.toSpliced(index, 1);
  return change.op === "add" ? node.toSpliced(index, 0, change.value) : node.with(index, change.value);
}
