// The functions that Kubernetes adds to CEL: texts, lists, sets, regular expressions, formats.
// Follows kubernetes v1.36 apiserver/pkg/cel/library (names and outcomes) and cel-go ext (strings, sets).
import type { Environment } from "@marcbachmann/cel-js";
import {
  dns1035LabelErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  labelValueErrors,
  qualifiedNameErrors,
} from "../names.ts";
import { compileRe2 } from "../re2.ts";
import { spend } from "./budget.ts";
import { celLibrary } from "./library.ts";
import { celEqual } from "./types.ts";

/** What `matches` is called after a rule is parsed: the library's own is not linear in time. */
export const matchesName = "matchesRe2";

export const fail = (message: string): never => {
  throw new (celLibrary().EvaluationError)(message);
};

export function registerFunctions(environment: Environment): void {
  registerRegex(environment);
  registerTexts(environment);
  registerLists(environment);
  registerSets(environment);
  registerFormats(environment);
  environment.registerFunction("string(google.protobuf.Timestamp): string", (at: Date) =>
    at.toISOString().replace(/\.?0*Z$/, "Z"),
  );
  environment.registerFunction("string(google.protobuf.Duration): string", String);
}

const stepBytes = 10;

function regexOf(pattern: string, text: string) {
  spend((pattern.length * text.length) / stepBytes / 4);
  try {
    return compileRe2(pattern).matcher(text);
  } catch (error) {
    return fail((error as Error).message);
  }
}

function registerRegex(environment: Environment): void {
  const matches = (text: string, pattern: string) => regexOf(pattern, text).find();
  environment.registerFunction(`string.${matchesName}(string): bool`, matches);
  environment.registerFunction("matches(string, string): bool", matches);
  environment.registerFunction("string.find(string): string", (text: string, pattern: string) => {
    const matcher = regexOf(pattern, text);
    return matcher.find() ? (matcher.group() ?? "") : "";
  });
  const findAll = (text: string, pattern: string, limit = -1n) => {
    const matcher = regexOf(pattern, text);
    const found: string[] = [];
    while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? "");
    return found;
  };
  environment.registerFunction("string.findAll(string): list<string>", findAll);
  environment.registerFunction("string.findAll(string, int): list<string>", findAll);
}

const indexed = (text: string, index: bigint): string => {
  const letters = [...text];
  if (index < 0n || index > BigInt(letters.length)) fail(`index out of range: ${index}`);
  return letters[Number(index)] ?? "";
};

function replace(text: string, from: string, to: string, limit = -1n): string {
  spend(text.length / stepBytes);
  if (limit < 0n) return text.replaceAll(from, () => to);
  let out = text;
  let at = 0;
  for (let i = 0n; i < limit; i++) {
    const found = out.indexOf(from, at);
    if (found < 0) break;
    out = out.slice(0, found) + to + out.slice(found + from.length);
    at = found + to.length + (from === "" ? 1 : 0);
  }
  return out;
}

function registerTexts(environment: Environment): void {
  environment.registerFunction("string.charAt(int): string", indexed);
  environment.registerFunction("string.replace(string, string): string", replace);
  environment.registerFunction("string.replace(string, string, int): string", replace);
  environment.registerFunction("string.reverse(): string", (text: string) => [...text].toReversed().join(""));
  environment.registerFunction("string.format(list): string", (text: string, values: readonly unknown[]) => {
    let at = 0;
    return text.replaceAll(/%(%|(?:\.(\d+))?([sdfexXob]))/g, (_, all: string, digits: string, verb: string) => {
      if (all === "%") return "%";
      if (at >= values.length) fail(`index ${at} out of range`);
      return formatted(values[at++], verb, digits === undefined ? 6 : Number(digits));
    });
  });
}

function formatted(value: unknown, verb: string, digits: number): string {
  const number = value as number | bigint;
  switch (verb) {
    case "d":
      return typeof value === "bigint" ? String(value) : fail("integer clause can only be used on integers");
    case "f":
      return Number(number).toFixed(digits);
    case "e":
      return Number(number).toExponential(digits);
    case "x":
    case "X": {
      const hex = typeof value === "string" ? Buffer.from(value).toString("hex") : number.toString(16);
      return verb === "X" ? hex.toUpperCase() : hex;
    }
    case "o":
      return number.toString(8);
    case "b":
      return typeof value === "boolean" ? String(Number(value)) : number.toString(2);
    default:
      return textOf(value);
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(", ")}]`;
  if (value instanceof Map) {
    const rows = [...value].map(([key, inner]) => `${textOf(key)}: ${textOf(inner)}`);
    return `{${rows.toSorted().join(", ")}}`;
  }
  if (value instanceof Date) return value.toISOString().replace(/\.?0*Z$/, "Z");
  return String(value);
}

type Ordered = bigint | number | string | Date;
const isAfter = (a: unknown, b: unknown) => (a as Ordered) > (b as Ordered);

function sum(list: readonly unknown[]): unknown {
  spend(list.length);
  if (list.every((item) => typeof item === "bigint")) return (list as bigint[]).reduce((a, b) => a + b, 0n);
  if (list.every((item) => typeof item === "number")) return (list as number[]).reduce((a, b) => a + b, 0);
  const { Duration } = celLibrary();
  return (list as { addDuration(other: unknown): unknown }[]).reduce(
    (a: unknown, b) => b.addDuration(a),
    new Duration(0n, 0),
  );
}

function extreme(name: string, list: readonly unknown[], better: (a: unknown, b: unknown) => boolean): unknown {
  spend(list.length);
  if (list.length === 0) return fail(`${name} called on empty list`);
  return list.reduce((a, b) => (better(b, a) ? b : a));
}

const indexIn = (list: readonly unknown[], value: unknown, last: boolean) => {
  spend(list.length);
  const same = (item: unknown) => celEqual(item, value);
  return BigInt(last ? list.findLastIndex(same) : list.findIndex(same));
};

function registerLists(environment: Environment): void {
  environment.registerFunction("list.isSorted(): bool", (list: readonly unknown[]) => {
    spend(list.length);
    return list.every((item, i) => i === 0 || !isAfter(list[i - 1], item));
  });
  environment.registerFunction("list<A>.sum(): A", sum);
  environment.registerFunction("list<A>.min(): A", (list: readonly unknown[]) =>
    extreme("min", list, (a, b) => isAfter(b, a)),
  );
  environment.registerFunction("list<A>.max(): A", (list: readonly unknown[]) => extreme("max", list, isAfter));
  environment.registerFunction("list<A>.indexOf(A): int", (list: readonly unknown[], value: unknown) =>
    indexIn(list, value, false),
  );
  environment.registerFunction("list<A>.lastIndexOf(A): int", (list: readonly unknown[], value: unknown) =>
    indexIn(list, value, true),
  );
}

class Sets {}

function registerSets(environment: Environment): void {
  const within = (inner: readonly unknown[], outer: readonly unknown[]) => {
    spend(inner.length * outer.length);
    return inner.every((a) => outer.some((b) => celEqual(a, b)));
  };
  type List = readonly unknown[];
  environment.registerType("kubernetes.Sets", Sets);
  environment.registerConstant("sets", "kubernetes.Sets", new Sets());
  environment.registerFunction("kubernetes.Sets.contains(list, list): bool", (_: Sets, a: List, b: List) =>
    within(b, a),
  );
  environment.registerFunction(
    "kubernetes.Sets.equivalent(list, list): bool",
    (_: Sets, a: List, b: List) => within(a, b) && within(b, a),
  );
  environment.registerFunction("kubernetes.Sets.intersects(list, list): bool", (_: Sets, a: List, b: List) => {
    spend(a.length * b.length);
    return a.some((x) => b.some((y) => celEqual(x, y)));
  });
}

class Formats {}

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
  const { Optional } = celLibrary();
  environment.registerType("kubernetes.Formats", Formats);
  environment.registerType("kubernetes.NamedFormat", Format);
  environment.registerConstant("format", "kubernetes.Formats", new Formats());
  for (const [name, errors] of Object.entries(formats)) {
    environment.registerFunction(`kubernetes.Formats.${name}(): kubernetes.NamedFormat`, () => new Format(errors));
  }
  environment.registerFunction(
    "kubernetes.Formats.named(string): optional<kubernetes.NamedFormat>",
    (_: Formats, name: string) =>
      Object.hasOwn(formats, name) ? Optional.of(new Format(formats[name]!)) : Optional.none(),
  );
  environment.registerFunction(
    "kubernetes.NamedFormat.validate(string): optional<list<string>>",
    (format: Format, text: string) => {
      const errors = format.errors(text);
      return errors.length === 0 ? Optional.none() : Optional.of([...errors]);
    },
  );
}
