// Resource quantities ("500m", "1Gi", "2e3"): exact arithmetic and the canonical text form.
// Follows kubernetes v1.36 apimachinery/pkg/api/resource (grammar, rounding, canonical form, error texts).

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

/** An exact amount in billionths of a unit, and the family of suffixes it was written with. */
export interface Quantity {
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const decimalSuffixes = new Map(Object.entries(decimalExponents).map(([suffix, exponent]) => [exponent, suffix]));
const binarySuffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

const grammar = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/;
const nanosPerUnit = 1_000_000_000n;
const largest = (2n ** 63n - 1n) * nanosPerUnit;
const parsed = new Map<string, Quantity>();
const parsedLimit = 4096;

/** Parses a quantity; throws an Error with upstream's text when it is none. Finer than a billionth is rounded away from zero. */
export function parseQuantity(text: string | number): Quantity {
  const key = String(text);
  const known = parsed.get(key);
  if (known) return known;
  const quantity = parseFresh(key);
  if (parsed.size >= parsedLimit) parsed.clear();
  parsed.set(key, quantity);
  return quantity;
}

function parseFresh(text: string): Quantity {
  const match = grammar.exec(text);
  if (!match || (!match[2] && !match[3])) {
    throw new Error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  }
  const [, sign = "", whole = "", fraction = "", suffix = ""] = match;
  const { format, exponent, multiplier } = parseSuffix(suffix);
  const shift = exponent + 9 - fraction.length;
  // Beyond this the value is either far above the cap or far below a billionth.
  const digits = BigInt(`0${whole}${fraction}`) * multiplier;
  let nanos: bigint;
  if (digits === 0n) nanos = 0n;
  else if (shift >= 0) nanos = shift > 60 ? largest : digits * 10n ** BigInt(shift);
  else {
    const divisor = 10n ** BigInt(-shift);
    nanos = (digits + divisor - 1n) / divisor;
  }
  if (nanos > largest && whole.length + fraction.length > 18) nanos = largest;
  return { nanos: sign === "-" ? -nanos : nanos, format };
}

function parseSuffix(suffix: string): { format: QuantityFormat; exponent: number; multiplier: bigint } {
  const decimal = decimalExponents[suffix];
  if (decimal !== undefined) return { format: "DecimalSI", exponent: decimal, multiplier: 1n };
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { format: "BinarySI", exponent: 0, multiplier: 1024n ** BigInt(binary) };
  const scientific = /^[eE]([+-]?\d+)$/.exec(suffix);
  if (scientific) {
    const exponent = Math.max(-1000, Math.min(1000, Number(scientific[1])));
    return { format: "DecimalExponent", exponent, multiplier: 1n };
  }
  throw new Error("unable to parse quantity's suffix");
}

function render({ nanos, format }: Quantity): string {
  if (nanos === 0n) return "0";
  const negative = nanos < 0n;
  let amount = negative ? -nanos : nanos;
  const sign = negative ? "-" : "";
  if (format === "BinarySI" && amount >= 1024n * nanosPerUnit && amount % nanosPerUnit === 0n) {
    amount /= nanosPerUnit;
    let power = 0;
    while (power < binarySuffixes.length - 1 && amount % 1024n === 0n) {
      amount /= 1024n;
      power++;
    }
    return `${sign}${amount}${binarySuffixes[power]}`;
  }
  let exponent = -9;
  while (amount % 1000n === 0n && (format === "DecimalExponent" || exponent < 18)) {
    amount /= 1000n;
    exponent += 3;
  }
  if (format === "DecimalExponent") return `${sign}${amount}${exponent === 0 ? "" : `e${exponent}`}`;
  return `${sign}${amount}${decimalSuffixes.get(exponent)}`;
}

/** Most quantities: an integer too short for a larger suffix. */
const surelyCanonical = /^[1-9]\d{0,2}(?:[numkMGTPE]|[KMGTPE]i)?$/;

/** The canonical text: no fraction, the largest fitting suffix of the same family. Throws when `text` is no quantity. */
export function canonicalQuantity(text: string | number): string {
  if (typeof text === "string" && surelyCanonical.test(text)) return text;
  return render(parseQuantity(text));
}

/** `value` units (fractions allowed down to a billionth) as canonical text. */
export function formatQuantity(value: number | bigint, format: QuantityFormat = "DecimalSI"): string {
  if (typeof value === "bigint") return render({ nanos: value * nanosPerUnit, format });
  if (Number.isInteger(value)) return render({ nanos: BigInt(value) * nanosPerUnit, format });
  const whole = Math.trunc(value);
  return render({ nanos: BigInt(whole) * nanosPerUnit + BigInt(Math.ceil((value - whole) * 1e9 - 1e-6)), format });
}

/** Thousandths of a unit as canonical text: `formatMillis(1500)` is "1500m". */
export const formatMillis = (millis: number, format: QuantityFormat = "DecimalSI"): string =>
  render({ nanos: BigInt(Math.ceil(millis)) * 1_000_000n, format });

/** The value as a floating-point number of units. */
export const quantityToNumber = (text: string | number): number => Number(parseQuantity(text).nanos) / 1e9;

function dividedUp(nanos: bigint, divisor: bigint): number {
  const quotient = nanos / divisor;
  return Number(nanos > 0n && nanos % divisor !== 0n ? quotient + 1n : quotient);
}

/** Whole units, rounded up: bytes of memory, counts. */
export const quantityValue = (text: string | number): number => dividedUp(parseQuantity(text).nanos, nanosPerUnit);

/** Thousandths, rounded up: CPU. */
export const quantityMillis = (text: string | number): number => dividedUp(parseQuantity(text).nanos, 1_000_000n);

/** Exact sum in the format of the first that is not zero. */
export function addQuantities(...texts: readonly string[]): string {
  let nanos = 0n;
  let format: QuantityFormat | undefined;
  for (const text of texts) {
    const quantity = parseQuantity(text);
    nanos += quantity.nanos;
    if (quantity.nanos !== 0n) format ??= quantity.format;
  }
  return render({ nanos, format: format ?? "DecimalSI" });
}

/** Exact `a - b` in the format of `a` (of `b` when `a` is zero). */
export function subtractQuantities(a: string, b: string): string {
  const [x, y] = [parseQuantity(a), parseQuantity(b)];
  return render({ nanos: x.nanos - y.nanos, format: x.nanos === 0n ? y.format : x.format });
}

/** Negative when `a < b`, 0 when they are the same amount, positive otherwise. */
export function compareQuantities(a: string | number, b: string | number): number {
  const [x, y] = [parseQuantity(a).nanos, parseQuantity(b).nanos];
  return x < y ? -1 : x > y ? 1 : 0;
}
