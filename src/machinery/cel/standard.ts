// CEL's own operators and functions. Follows cel-spec (langdef: overloads, limits) and cel-go's words for what fails.
import type { Environment } from "./environment.ts";
import { TypeValue } from "./type.ts";
import {
  celEqual,
  Duration,
  entryOf,
  fail,
  Optional,
  parseDuration,
  sizeOf,
  timestampText,
  typeNameOf,
  Uint,
} from "./value.ts";
import { BudgetError, spend } from "./budget.ts";

export function registerStandard(environment: Environment): void {
  registerLogic(environment);
  registerArithmetic(environment);
  registerComparison(environment);
  registerConversions(environment);
  registerTimes(environment);
  registerOptionals(environment);
}

/** The checker and the evaluator know what these do; here is what they take. */
function registerLogic(environment: Environment): void {
  const unused = () => fail("no such overload");
  environment.registerFunctions({
    "_&&_(bool, bool): bool": unused,
    "_||_(bool, bool): bool": unused,
    "_?_:_(bool, A, B): A": unused,
    "!_(bool): bool": (a: boolean) => !a,
    "@in(A, list<A>): bool": (a: unknown, list: readonly unknown[]) => {
      spend(list.length);
      return list.some((item) => celEqual(item, a));
    },
    "@in(K, map<K, V>): bool": (a: unknown, map: never) => entryOf(map, a) !== undefined,
    "type(dyn): type": (value: unknown) => new TypeValue(typeNameOf(value)),
    "dyn(A): dyn": (value: unknown) => value,
  });
}

const int64 = (value: bigint) => (BigInt.asIntN(64, value) === value ? value : fail("integer overflow"));

function registerArithmetic(environment: Environment): void {
  const integers: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
    "+": (a, b) => a + b,
    "-": (a, b) => a - b,
    "*": (a, b) => a * b,
    "/": (a, b) => (b === 0n ? fail("division by zero") : a / b),
    "%": (a, b) => (b === 0n ? fail("modulus by zero") : a % b),
  };
  for (const [operator, compute] of Object.entries(integers)) {
    environment.registerFunctions({
      [`_${operator}_(int, int): int`]: (a: bigint, b: bigint) => int64(compute(a, b)),
      [`_${operator}_(uint, uint): uint`]: (a: Uint, b: Uint) => new Uint(compute(a.value, b.value)),
    });
  }
  environment.registerFunctions({
    "_+_(double, double): double": (a: number, b: number) => a + b,
    "_-_(double, double): double": (a: number, b: number) => a - b,
    "_*_(double, double): double": (a: number, b: number) => a * b,
    "_/_(double, double): double": (a: number, b: number) => a / b,
    "-_(int): int": (a: bigint) => int64(-a),
    "-_(double): double": (a: number) => -a,
    "_+_(string, string): string": (a: string, b: string) => a + b,
    "_+_(bytes, bytes): bytes": (a: Uint8Array, b: Uint8Array) => Buffer.concat([a, b]),
    // Not by spreading, which takes many times as long.
    "_+_(list<A>, list<A>): list<A>": (a: unknown[], b: unknown[]) => a.concat(b),
  });
  const millis = ({ nanos }: Duration) => Number(nanos / 1_000_000n);
  environment.registerFunctions({
    "_+_(duration, duration): duration": (a: Duration, b: Duration) => span(a.nanos + b.nanos),
    "_-_(duration, duration): duration": (a: Duration, b: Duration) => span(a.nanos - b.nanos),
    "_+_(timestamp, duration): timestamp": (a: Date, b: Duration) => moment(+a + millis(b)),
    "_+_(duration, timestamp): timestamp": (a: Duration, b: Date) => moment(+b + millis(a)),
    "_-_(timestamp, duration): timestamp": (a: Date, b: Duration) => moment(+a - millis(b)),
    "_-_(timestamp, timestamp): duration": (a: Date, b: Date) => span(BigInt(+a - +b) * 1_000_000n),
  });
}

const span = (nanos: bigint) => new Duration(int64(nanos));

function moment(ms: number): Date {
  if (!(ms >= -62135596800000 && ms <= 253402300799999)) fail("timestamp overflow");
  return new Date(ms);
}

type Ordered = bigint | number | string | boolean | Uint | Date | Duration;

const rankOf = (value: Ordered) => {
  if (value instanceof Uint) return value.value;
  if (value instanceof Duration) return value.nanos;
  return value instanceof Date ? value.getTime() : value;
};

/** Whether `a` comes before `b`; both of one family of types. */
export const isBefore = (a: unknown, b: unknown): boolean => {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) < 0;
  return rankOf(a as Ordered) < rankOf(b as Ordered);
};

function registerComparison(environment: Environment): void {
  const numbers = ["int", "uint", "double"];
  const pairs = numbers.flatMap((a) => numbers.map((b) => [a, b]));
  for (const type of ["bool", "string", "bytes", "timestamp", "duration"]) pairs.push([type, type]);
  for (const [a, b] of pairs) {
    const register = (operator: string, run: (a: unknown, b: unknown) => boolean) =>
      environment.registerFunction(`_${operator}_(${a}, ${b}): bool`, run);
    register("<", isBefore);
    register(">", (x, y) => isBefore(y, x));
    // Not a number is neither.
    register("<=", (x, y) => isBefore(x, y) || celEqual(x, y));
    register(">=", (x, y) => isBefore(y, x) || celEqual(x, y));
  }
}

/** The number of code points. */
const lettersIn = (text: string) => (/[\ud800-\udbff]/.test(text) ? [...text].length : text.length);
const same = (value: unknown) => value;

function registerConversions(environment: Environment): void {
  for (const [type, size] of [
    ["string", (value: string) => BigInt(lettersIn(value))],
    ["bytes", (value: Uint8Array) => BigInt(value.length)],
    ["list", (value: readonly unknown[]) => BigInt(value.length)],
    ["map", (value: unknown) => BigInt(sizeOf(value))],
  ] as const) {
    environment.registerFunctions({
      [`size(${type}): int`]: size,
      [`${type}.size(): int`]: size,
    });
  }
  for (const type of ["bool", "int", "uint", "double", "string", "bytes", "timestamp", "duration"]) {
    environment.registerFunction(`${type}(${type}): ${type}`, same);
  }
  environment.registerFunctions({
    "bool(string): bool": (text: string) => {
      if (/^(1|t|true|TRUE|True)$/.test(text)) return true;
      return /^(0|f|false|FALSE|False)$/.test(text)
        ? false
        : fail(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`);
    },
    "bytes(string): bytes": (text: string) => Buffer.from(text),
  });
  const parseInteger = (text: string) =>
    /^[-+]?\d{1,20}$/.test(text)
      ? BigInt(text)
      : fail(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  const truncated = (value: number) => (Number.isFinite(value) ? BigInt(Math.trunc(value)) : fail("integer overflow"));
  environment.registerFunctions({
    "int(string): int": (text: string) => int64(parseInteger(text)),
    "int(double): int": (value: number) => int64(truncated(value)),
    "int(uint): int": ({ value }: Uint) => int64(value),
    "int(timestamp): int": (at: Date) => BigInt(Math.floor(at.getTime() / 1000)),
    "uint(string): uint": (text: string) => new Uint(parseInteger(text)),
    "uint(int): uint": (value: bigint) => new Uint(value),
    "uint(double): uint": (value: number) => new Uint(truncated(value)),
    "double(int): double": Number,
    "double(uint): double": ({ value }: Uint) => Number(value),
    "double(string): double": (text: string) => {
      const number = /^[-+]?inf/i.test(text) ? Infinity * (text.startsWith("-") ? -1 : 1) : Number(text || "x");
      const isNumber = !Number.isNaN(number) || /^nan$/i.test(text);
      return isNumber ? number : fail(`strconv.ParseFloat: parsing ${JSON.stringify(text)}: invalid syntax`);
    },
  });
  for (const type of ["bool", "int", "uint", "duration"])
    environment.registerFunction(`string(${type}): string`, String);
  environment.registerFunctions({
    "string(double): string": doubleText,
    "string(bytes): string": (bytes: Uint8Array) => Buffer.from(bytes).toString(),
    "string(timestamp): string": timestampText,
  });
}

export const doubleText = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)$/;

const clocks = new Map<string, Intl.DateTimeFormat>();
const mostClocks = 64;
/** Working out the time in a zone, and that for the first time, takes about as long as so many steps. */
const zoneCost = 25;
const newZoneCost = 1500;

function clockIn(timeZone: string): Intl.DateTimeFormat {
  let clock = clocks.get(timeZone);
  if (!clock) {
    spend(newZoneCost);
    const [year, rest] = ["numeric", "2-digit"] as const;
    const digits = { year, month: rest, day: rest, hour: rest, minute: rest, second: rest } as const;
    clock = new Intl.DateTimeFormat("sv-SE", { timeZone, hourCycle: "h23", ...digits });
    if (clocks.size >= mostClocks) clocks.clear();
    clocks.set(timeZone, clock);
  }
  return clock;
}

/** The moment as a clock in the zone shows it, in the UTC fields of a Date. */
function inZone(at: Date, zone: string | undefined): Date {
  if (zone === undefined || zone === "UTC") return at;
  spend(zoneCost);
  try {
    const local = clockIn(/^\d/.test(zone) ? `+${zone}` : zone)
      .format(at)
      .replace(" ", "T");
    return new Date(`${local}.${String(at.getUTCMilliseconds()).padStart(3, "0")}Z`);
  } catch (error) {
    if (error instanceof BudgetError) throw error;
    return fail(`unknown time zone ${zone}`);
  }
}

const dayMs = 86_400_000;

function registerTimes(environment: Environment): void {
  environment.registerFunctions({
    "timestamp(string): timestamp": (text: string) =>
      rfc3339.test(text) ? moment(Date.parse(text)) : fail(`parsing time ${JSON.stringify(text)} as RFC3339 failed`),
    "timestamp(int): timestamp": (seconds: bigint) => moment(Number(seconds) * 1000),
    "duration(string): duration": (text: string) =>
      parseDuration(text) ?? fail(`time: invalid duration ${JSON.stringify(text)}`),
  });
  const parts: Readonly<Record<string, (at: Date) => number>> = {
    getFullYear: (at) => at.getUTCFullYear(),
    getMonth: (at) => at.getUTCMonth(),
    getDate: (at) => at.getUTCDate(),
    getDayOfMonth: (at) => at.getUTCDate() - 1,
    getDayOfWeek: (at) => at.getUTCDay(),
    getDayOfYear: (at) => Math.floor((at.getTime() - Date.UTC(at.getUTCFullYear(), 0, 1)) / dayMs),
    getHours: (at) => at.getUTCHours(),
    getMinutes: (at) => at.getUTCMinutes(),
    getSeconds: (at) => at.getUTCSeconds(),
    getMilliseconds: (at) => at.getUTCMilliseconds(),
  };
  for (const [name, part] of Object.entries(parts)) {
    const run = (at: Date, zone?: string) => BigInt(part(inZone(at, zone)));
    environment.registerFunctions({
      [`timestamp.${name}(): int`]: run,
      [`timestamp.${name}(string): int`]: run,
    });
  }
  for (const [name, nanos] of [
    ["getHours", 3_600_000_000_000n],
    ["getMinutes", 60_000_000_000n],
    ["getSeconds", 1_000_000_000n],
    ["getMilliseconds", 1_000_000n],
  ] as const) {
    environment.registerFunction(`duration.${name}(): int`, (duration: Duration) => duration.nanos / nanos);
  }
}

const isZero = (value: unknown) =>
  value === null ||
  value === false ||
  value === 0 ||
  value === 0n ||
  value === "" ||
  (typeof value === "object" && sizeOf(value) === 0);

function registerOptionals(environment: Environment): void {
  environment.registerFunctions({
    "optional.of(A): optional<A>": Optional.of,
    "optional.none(): optional<A>": () => Optional.none,
    "optional.ofNonZeroValue(A): optional<A>": (value: unknown) => (isZero(value) ? Optional.none : Optional.of(value)),
    "optional<A>.hasValue(): bool": ({ hasValue }: Optional) => hasValue,
    "optional<A>.value(): A": ({ hasValue, value }: Optional) =>
      hasValue ? value : fail("optional.none() dereference"),
    "optional<A>.orValue(A): A": ({ hasValue, value }: Optional, other: unknown) => (hasValue ? value : other),
    "optional<A>.or(optional<A>): optional<A>": (one: Optional, other: Optional) => (one.hasValue ? one : other),
    "optional.unwrap(list<optional<A>>): list<A>": (list: readonly Optional[]) => mapPresent(list),
    "list<optional<A>>.unwrapOpt(): list<A>": (list: readonly Optional[]) => mapPresent(list),
  });
}

const mapPresent = (list: readonly Optional[]) => list.filter(({ hasValue }) => hasValue).map(({ value }) => value);
