// The functions that Kubernetes adds to CEL: texts, lists, sets, regular expressions, formats.
// Follows kubernetes v1.36 apiserver/pkg/cel/library (names and outcomes) and cel-go ext (strings, sets).
import {
  dns1035LabelErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  labelValueErrors,
  qualifiedNameErrors,
} from "../names.ts";
import { compileRe2 } from "../re2.ts";
import { spend } from "./budget.ts";
import type { Environment } from "./environment.ts";
import { doubleText, isBefore } from "./standard.ts";
import { celEqual, Duration, fail, isMap, keysOf, entryOf, Optional, timestampText } from "./value.ts";

export function registerFunctions(environment: Environment): void {
  registerRegex(environment);
  registerTexts(environment);
  registerLists(environment);
  registerSets(environment);
  registerFormats(environment);
}

const compiled = new Map<string, ReturnType<typeof compileRe2>>();
const mostCompiled = 256;
/** Compiling a pattern takes about as long as so many steps, and as many more for each repetition that it spells out. */
const patternCost = 1000;
const repetitionCost = 80;

const repetitionsIn = (pattern: string): number =>
  [...pattern.matchAll(/\{(\d*),?(\d*)\}/g)].reduce((sum, [, least, most]) => sum + Number(least) + Number(most), 0);

function regexOf(pattern: string, text: string) {
  let regex = compiled.get(pattern);
  if (!regex) {
    spend(patternCost + pattern.length + repetitionCost * repetitionsIn(pattern));
    try {
      regex = compileRe2(pattern);
    } catch (error) {
      return fail((error as Error).message);
    }
    if (compiled.size >= mostCompiled) compiled.clear();
    compiled.set(pattern, regex);
  }
  return regex.matcher(text);
}

function registerRegex(environment: Environment): void {
  const matches = (text: string, pattern: string) => regexOf(pattern, text).find();
  environment.registerFunctions({
    "string.matches(string): bool": matches,
    "matches(string, string): bool": matches,
    "string.find(string): string": (text: string, pattern: string) => {
      const matcher = regexOf(pattern, text);
      return matcher.find() ? (matcher.group() ?? "") : "";
    },
  });
  const findAll = (text: string, pattern: string, limit = -1n) => {
    const matcher = regexOf(pattern, text);
    const found: string[] = [];
    while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? "");
    return found;
  };
  environment.registerFunctions({
    "string.findAll(string): list<string>": findAll,
    "string.findAll(string, int): list<string>": findAll,
  });
}

const indexed = (text: string, index: bigint): string => {
  const letters = [...text];
  if (index < 0n || index > BigInt(letters.length)) fail(`index out of range: ${index}`);
  return letters[Number(index)] ?? "";
};

function replace(text: string, from: string, to: string, limit = -1n): string {
  const parts = from === "" ? ["", ...text, ""] : text.split(from);
  const most = limit < 0n ? parts.length - 1 : Math.min(Number(limit), parts.length - 1);
  spend((text.length + most * to.length) * 0.1);
  return (
    parts.slice(0, most + 1).join(to) +
    parts
      .slice(most + 1)
      .map((part) => from + part)
      .join("")
  );
}

function split(text: string, separator: string, limit = -1n): string[] {
  if (limit === 0n) return [];
  const parts = separator === "" ? [...text] : text.split(separator);
  if (limit < 0n || BigInt(parts.length) <= limit) return parts;
  const last = Number(limit) - 1;
  return [...parts.slice(0, last), parts.slice(last).join(separator)];
}

function substring(text: string, start: bigint, end?: bigint): string {
  const letters = /[\ud800-\udbff]/.test(text) ? [...text] : undefined;
  const length = BigInt((letters ?? text).length);
  const until = end ?? length;
  if (start < 0n || start > length || until < start || until > length) fail(`index out of range: ${end ?? start}`);
  const [from, to] = [Number(start), Number(until)];
  return letters ? letters.slice(from, to).join("") : text.slice(from, to);
}

function join(list: readonly unknown[], separator = ""): string {
  if (list.some((item) => typeof item !== "string")) fail("no such overload");
  spend((list as string[]).reduce((sum, { length }) => sum + length + separator.length, 0) * 0.1);
  return list.join(separator);
}

function indexOf(text: string, part: string, from = 0n): bigint {
  if (from < 0n || from > BigInt(text.length)) fail(`index out of range: ${from}`);
  spend(text.length * 0.1);
  return BigInt(text.indexOf(part, Number(from)));
}

function lastIndexOf(text: string, part: string, from = BigInt(text.length)): bigint {
  if (from < 0n || from > BigInt(text.length)) fail(`index out of range: ${from}`);
  return BigInt(text.lastIndexOf(part, Number(from)));
}

/** The letters A to Z alone change. */
const lowerAscii = (text: string) => text.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
const upperAscii = (text: string) => text.replaceAll(/[a-z]+/g, (letters) => letters.toUpperCase());

function registerTexts(environment: Environment): void {
  environment.registerFunctions({
    "string.startsWith(string): bool": (text: string, part: string) => text.startsWith(part),
    "string.endsWith(string): bool": (text: string, part: string) => text.endsWith(part),
    "string.contains(string): bool": (text: string, part: string) => text.includes(part),
    "string.charAt(int): string": indexed,
    "string.indexOf(string): int": indexOf,
    "string.indexOf(string, int): int": indexOf,
    "string.lastIndexOf(string): int": lastIndexOf,
    "string.lastIndexOf(string, int): int": lastIndexOf,
    "string.lowerAscii(): string": lowerAscii,
    "string.upperAscii(): string": upperAscii,
    "string.trim(): string": (text: string) => text.trim(),
    "string.substring(int): string": substring,
    "string.substring(int, int): string": substring,
    "string.split(string): list<string>": split,
    "string.split(string, int): list<string>": split,
    "list<string>.join(): string": join,
    "list<string>.join(string): string": join,
    "string.replace(string, string): string": replace,
    "string.replace(string, string, int): string": replace,
    "string.reverse(): string": (text: string) => [...text].toReversed().join(""),
    "strings.quote(string): string": (text: string) => JSON.stringify(text),
    "base64.encode(bytes): string": (bytes: Uint8Array) => Buffer.from(bytes).toString("base64"),
    "base64.decode(string): bytes": (text: string) =>
      base64.test(text) ? Buffer.from(text, "base64") : fail("illegal base64 data"),
    "jsonpatch.escapeKey(string): string": (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1"),
    "string.format(list): string": format,
  });
}

function format(text: string, values: readonly unknown[]): string {
  let at = 0;
  return text.replaceAll(/%(%|(?:\.(\d{1,3}))?([a-zA-Z]))/g, (_, all: string, digits: string, verb: string) => {
    if (all === "%") return "%";
    if (at >= values.length) fail(`index ${at} out of range`);
    const piece = formatted(values[at++], verb, digits === undefined ? 6 : Number(digits));
    spend(piece.length * 0.1);
    return piece;
  });
}

function formatted(value: unknown, verb: string, digits: number): string {
  const number = value as number | bigint;
  const integer = typeof value === "bigint" || Number.isInteger(value);
  const refuse = (what: string) =>
    fail(`error during formatting: ${what} clause can only be used on ${what === "decimal" ? "integers" : "numbers"}`);
  switch (verb) {
    case "s":
      return textOf(value);
    case "d":
      return integer ? String(value) : refuse("decimal");
    case "f":
    case "e":
      if (typeof value !== "number" && typeof value !== "bigint") return refuse("fixed-point");
      return verb === "f"
        ? Number(number).toFixed(Math.min(digits, 100))
        : exponent(Number(number), Math.min(digits, 100));
    case "x":
    case "X": {
      const isText = typeof value === "string" || value instanceof Uint8Array;
      const hex = isText ? Buffer.from(value as string).toString("hex") : number.toString(16);
      return verb === "X" ? hex.toUpperCase() : hex;
    }
    case "o":
      return number.toString(8);
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : number.toString(2);
    default:
      return fail(`could not parse formatting clause: unrecognized formatting clause ${JSON.stringify(verb)}`);
  }
}

/** Exponents have at least two digits. */
const exponent = (value: number, digits: number) =>
  value.toExponential(digits).replace(/e([-+])(\d)$/, (_, sign: string, digit: string) => `e${sign}0${digit}`);

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  if (isMap(value)) {
    const rows = keysOf(value).map((key) => `${textOf(key)}: ${textOf(entryOf(value, key))}`);
    return `{${rows.toSorted().join(", ")}}`;
  }
  if (value instanceof Date) return timestampText(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  return typeof value === "number" ? doubleText(value) : String(value);
}

function sum(list: readonly unknown[]): unknown {
  if (list[0] instanceof Duration) {
    return new Duration((list as Duration[]).reduce((all, { nanos }) => all + nanos, 0n));
  }
  if (list.length === 0) return 0n;
  // Integers of JSON are numbers until somebody reads them.
  if (list.some((item) => typeof item === "bigint")) {
    return (list as (bigint | number)[]).reduce<bigint>((all, item) => all + BigInt(item), 0n);
  }
  return (list as number[]).reduce((all, item) => all + item, 0);
}

function extreme(name: string, list: readonly unknown[], better: (a: unknown, b: unknown) => boolean): unknown {
  if (list.length === 0) return fail(`${name} called on empty list`);
  return list.reduce((a, b) => (better(b, a) ? b : a));
}

const indexIn = (list: readonly unknown[], value: unknown, last: boolean) => {
  spend(list.length);
  const same = (item: unknown) => celEqual(item, value);
  return BigInt(last ? list.findLastIndex(same) : list.findIndex(same));
};

function registerLists(environment: Environment): void {
  environment.registerFunctions({
    "list.isSorted(): bool": (list: readonly unknown[]) => {
      spend(list.length);
      return list.every((item, i) => i === 0 || !isBefore(item, list[i - 1]));
    },
    "list<A>.sum(): A": sum,
    "list<A>.min(): A": (list: readonly unknown[]) => extreme("min", list, isBefore),
    "list<A>.max(): A": (list: readonly unknown[]) => extreme("max", list, (a, b) => isBefore(b, a)),
    "list<A>.indexOf(A): int": (list: readonly unknown[], value: unknown) => indexIn(list, value, false),
    "list<A>.lastIndexOf(A): int": (list: readonly unknown[], value: unknown) => indexIn(list, value, true),
  });
  type List = readonly unknown[];
  environment.registerFunctions({
    "list<A>.reverse(): list<A>": (list: List) => list.toReversed(),
    "list<A>.first(): optional<A>": (list: List) => (list.length > 0 ? Optional.of(list[0]) : Optional.none),
    "list<A>.last(): optional<A>": (list: List) => (list.length > 0 ? Optional.of(list.at(-1)) : Optional.none),
    "list<A>.slice(int, int): list<A>": (list: List, start: bigint, end: bigint) => {
      if (start < 0n || end < start || end > BigInt(list.length))
        fail(`cannot slice(${start}, ${end}), list is of size ${list.length}`);
      return list.slice(Number(start), Number(end));
    },
    "list.flatten(): list": (list: List) => list.flat(),
    "list<A>.sort(): list<A>": (list: List) => list.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0)),
    "list<A>.distinct(): list<A>": (list: List) => {
      spend(list.length * list.length * 0.1);
      return list.filter((item, i) => list.findIndex((other) => celEqual(item, other)) === i);
    },
    "lists.range(int): list<int>": (count: bigint) => {
      if (count < 0n) fail(`range size ${count} is negative`);
      spend(Number(count));
      return Array.from({ length: Number(count) }, (_, i) => BigInt(i));
    },
  });
}

function registerSets(environment: Environment): void {
  type List = readonly unknown[];
  const within = (inner: List, outer: List) => inner.every((a) => outer.some((b) => celEqual(a, b)));
  environment.registerFunctions({
    "sets.contains(list<A>, list<A>): bool": (a: List, b: List) => within(b, a),
    "sets.equivalent(list<A>, list<A>): bool": (a: List, b: List) => within(a, b) && within(b, a),
    "sets.intersects(list<A>, list<A>): bool": (a: List, b: List) => a.some((x) => b.some((y) => celEqual(x, y))),
  });
}

/** A named format: what is wrong with a text. */
class Format {
  readonly errors: (text: string) => readonly string[];
  constructor(errors: (text: string) => readonly string[]) {
    this.errors = errors;
  }
}

const says = (isRight: (text: string) => boolean, complaint: string) => (text: string) =>
  isRight(text) ? [] : [complaint];
const prefixed = (judge: (text: string) => readonly string[]) => (text: string) => judge(text.replace(/-$/, "a"));
const base64 = /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

const formats: Readonly<Record<string, (text: string) => readonly string[]>> = {
  dns1123Label: dnsLabelErrors,
  dns1123Subdomain: dnsSubdomainErrors,
  dns1035Label: dns1035LabelErrors,
  qualifiedName: qualifiedNameErrors,
  dns1123LabelPrefix: prefixed(dnsLabelErrors),
  dns1123SubdomainPrefix: prefixed(dnsSubdomainErrors),
  dns1035LabelPrefix: prefixed(dns1035LabelErrors),
  labelValue: labelValueErrors,
  uri: says((text) => URL.canParse(text) || text.startsWith("/"), "invalid URI"),
  uuid: says((text) => uuid.test(text), "does not match the UUID format"),
  byte: says((text) => base64.test(text), "invalid base64"),
  date: says((text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)), "invalid date"),
  datetime: says((text) => text.includes("T") && !Number.isNaN(Date.parse(text)), "invalid datetime"),
};

function registerFormats(environment: Environment): void {
  environment.registerType("kubernetes.NamedFormat", Format);
  for (const [name, errors] of Object.entries(formats)) {
    environment.registerFunction(`format.${name}(): kubernetes.NamedFormat`, () => new Format(errors));
  }
  environment.registerFunctions({
    "format.named(string): optional<kubernetes.NamedFormat>": (name: string) =>
      Object.hasOwn(formats, name) ? Optional.of(new Format(formats[name]!)) : Optional.none,
    "kubernetes.NamedFormat.validate(string): optional<list<string>>": (format: Format, text: string) => {
      const errors = format.errors(text);
      return errors.length === 0 ? Optional.none : Optional.of([...errors]);
    },
  });
}
