// Values of CEL at run time. JSON is used as it is: objects are maps or typed objects, and numbers become integers or
// times when they are read, by the type of where they are read from.
import { spend } from "./budget.ts";
import { TypeValue, type Type, type TypeKind } from "./type.ts";

/** What an evaluation ends with when it cannot go on; the other side of `||` and `&&` may still decide. */
export class CelError extends Error {}

export const fail = (message: string): never => {
  throw new CelError(message);
};

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    if (value < 0n || value >= 1n << 64n) fail("unsigned integer overflow");
    this.value = value;
  }
  toString(): string {
    return String(this.value);
  }
}

const billion = 1_000_000_000n;

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
  /** `5400s`, `0.5s`. */
  toString(): string {
    const [sign, nanos] = this.nanos < 0n ? ["-", -this.nanos] : ["", this.nanos];
    const fraction = String(nanos % billion).padStart(9, "0");
    return `${sign}${nanos / billion}${`.${fraction}`.replace(/\.?0*$/, "")}s`;
  }
}

const unitNanos: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1000n,
  µs: 1000n,
  ms: 1_000_000n,
  s: billion,
  m: 60n * billion,
  h: 3600n * billion,
};

/** Longer texts are no numbers, durations or versions, and would take long to be found out. */
export const maxScalarText = 256;

/** Reads `-1h30m`; undefined when it is no duration. */
export function parseDuration(text: string): Duration | undefined {
  if (text.length > maxScalarText || !/^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+)$/.test(text))
    return undefined;
  let nanos = 0n;
  for (const [, whole = "", fraction = "", unit] of text.matchAll(/(\d*)\.?(\d*)(ns|us|µs|ms|s|m|h)/g)) {
    const scale = unitNanos[unit!]!;
    nanos += BigInt(whole || 0) * scale + (fraction ? (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length) : 0n);
  }
  return new Duration(text.startsWith("-") ? -nanos : nanos);
}

export class Optional {
  static readonly none = new Optional(undefined);
  readonly value: unknown;
  private constructor(value: unknown) {
    this.value = value;
  }
  static of(value: unknown): Optional {
    return new Optional(value);
  }
  get hasValue(): boolean {
    return this !== Optional.none;
  }
}

/** An object that an expression constructs by the name of its type: `Object.spec{…}`, `JSONPatch{…}`. */
export class Constructed {
  readonly typeName: string;
  readonly fields: Readonly<Record<string, unknown>>;
  constructor(typeName: string, fields: Readonly<Record<string, unknown>>) {
    this.typeName = typeName;
    this.fields = fields;
  }
}

/** Fields that are worked out when somebody asks for them. */
export abstract class LazyFields {
  /** Undefined when there is no such field. */
  abstract field(name: string): unknown;
}

type Json = Readonly<Record<string, unknown>>;
export type MapValue = Json | ReadonlyMap<unknown, unknown>;

/** Plain objects and Maps. Objects of classes are opaque. */
export function isMap(value: unknown): value is MapValue {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  if (value instanceof Map) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

const keyOf = (key: unknown): unknown => {
  if (key instanceof Uint) return key.value;
  return typeof key === "number" && Number.isInteger(key) ? BigInt(key) : key;
};

/** The entry, or undefined when there is none. */
export function entryOf(map: MapValue, key: unknown): unknown {
  if (map instanceof Map) return map.get(keyOf(key));
  return typeof key === "string" && Object.hasOwn(map, key) ? (map as Json)[key] : undefined;
}

export const keysOf = (map: MapValue): unknown[] => (map instanceof Map ? [...map.keys()] : Object.keys(map));
const sizeOfMap = (map: MapValue): number => (map instanceof Map ? map.size : Object.keys(map).length);

/** Makes a Map whose keys compare as CEL's do. */
export function mapValue(entries: Iterable<readonly [unknown, unknown]>): Map<unknown, unknown> {
  const map = new Map<unknown, unknown>();
  for (const [key, value] of entries) {
    const plain = keyOf(key);
    if (map.has(plain)) fail(`insert failed: key ${String(plain)} already exists`);
    map.set(plain, value);
  }
  return map;
}

/** Characters, bytes, elements or entries: what costs are measured in; 1 for everything else. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value)) return value.length;
  if (typeof value !== "object" || value === null) return 1;
  if (value instanceof Uint8Array) return value.length;
  return isMap(value) ? sizeOfMap(value) : 1;
}

const integer = (value: unknown) => (typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value);

/** How a value that may come from JSON becomes one of its type; undefined when it is one already. */
export function adopterOf(type: Type): ((value: unknown) => unknown) | undefined {
  switch (type.kind) {
    case "dyn":
    case "int":
      return integer;
    case "timestamp":
      return (value) => (typeof value === "string" ? new Date(value) : value);
    case "duration":
      return (value) => (typeof value === "string" ? (parseDuration(value) ?? value) : value);
    case "bytes":
      return (value) => (typeof value === "string" ? Buffer.from(value, "base64") : value);
    default:
      return undefined;
  }
}

const always = () => true;
const judges: Readonly<Record<TypeKind, (value: unknown, type: Type) => boolean>> = {
  dyn: always,
  param: always,
  bool: (value) => typeof value === "boolean",
  int: (value) => typeof value === "bigint",
  uint: (value) => value instanceof Uint,
  double: (value) => typeof value === "number",
  string: (value) => typeof value === "string",
  bytes: (value) => value instanceof Uint8Array,
  null: (value) => value === null,
  timestamp: (value) => value instanceof Date,
  duration: (value) => value instanceof Duration,
  type: (value) => value instanceof TypeValue,
  list: Array.isArray,
  map: isMap,
  struct: isMap,
  optional: (value) => value instanceof Optional,
  opaque: (value, { constructs }) => constructs !== undefined && value instanceof constructs,
};

/** Whether a value is of a type, as far as overloads need to know: elements are not looked at. */
export const isOf = (type: Type, value: unknown): boolean => judges[type.kind](value, type);

const namedClasses: readonly [Function, string][] = [
  [Uint, "uint"],
  [Uint8Array, "bytes"],
  [Date, "google.protobuf.Timestamp"],
  [Duration, "google.protobuf.Duration"],
  [TypeValue, "type"],
  [Optional, "optional_type"],
];
const namedTypes: Readonly<Record<string, string>> = {
  boolean: "bool",
  bigint: "int",
  number: "double",
  string: "string",
};

/** What `type(value)` is called. */
export function typeNameOf(value: unknown): string {
  if (value === null) return "null_type";
  if (Array.isArray(value)) return "list";
  if (isMap(value)) return "map";
  if (value instanceof Constructed) return value.typeName;
  return namedTypes[typeof value] ?? namedClasses.find(([type]) => value instanceof type)?.[1] ?? "dyn";
}

/** Equality of CEL values, of any types. Long values cost as much as there is to compare. */
export function celEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    // Integers and doubles of one value are equal.
    if (isNumber(a) && isNumber(b)) return sameNumber(a, b);
    return typeof a === "string" && b instanceof Date ? new Date(a).getTime() === b.getTime() : false;
  }
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    spend(a.length * 0.1);
    return a.every((item, i) => celEqual(item, b[i]));
  }
  if (isMap(a)) return isMap(b) && mapsEqual(a, b);
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  if (a instanceof Date) return b instanceof Date && a.getTime() === b.getTime();
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Uint) return isNumber(b) && sameNumber(a, b);
  if (a instanceof Optional) return b instanceof Optional && a.hasValue === b.hasValue && celEqual(a.value, b.value);
  if (a instanceof Constructed) {
    return b instanceof Constructed && a.typeName === b.typeName && mapsEqual(a.fields, b.fields);
  }
  // Other values are what their text says.
  return a.constructor === b.constructor && String(a) === String(b);
}

function mapsEqual(a: MapValue, b: MapValue): boolean {
  const keys = keysOf(a);
  if (keys.length !== sizeOfMap(b)) return false;
  spend(keys.length * 0.1);
  return keys.every((key) => {
    const other = entryOf(b, key);
    return other !== undefined && celEqual(entryOf(a, key), other);
  });
}

const isNumber = (value: unknown): value is number | bigint | Uint =>
  typeof value === "bigint" || typeof value === "number" || value instanceof Uint;
const plainNumber = (value: number | bigint | Uint) => (value instanceof Uint ? value.value : value);

function sameNumber(one: number | bigint | Uint, other: number | bigint | Uint): boolean {
  const [a, b] = [plainNumber(one), plainNumber(other)];
  return typeof a === typeof b ? a === b : Number(a) === Number(b);
}

/** A CEL value as JSON. Throws CelError for what JSON has no form for. */
export function toJson(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (Array.isArray(value)) return value.map(toJson);
  if (value instanceof Date) return timestampText(value);
  if (value instanceof Duration) return String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Constructed) return toJson(value.fields);
  if (isMap(value)) {
    return Object.fromEntries(keysOf(value).map((key) => [String(key), toJson(entryOf(value, key))]));
  }
  if (typeof value === "object" && value !== null) return fail(`cannot convert ${typeNameOf(value)} to JSON`);
  return value;
}

export const timestampText = (at: Date): string => at.toISOString().replace(/\.?0*Z$/, "Z");
