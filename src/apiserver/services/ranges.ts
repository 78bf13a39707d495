// Ranges of numbers (addresses, ports) from which one is chosen at random, the lower band last so that it stays free for
// fixed choices. Follows kubernetes v1.36 pkg/registry/core/service/{ipallocator,portallocator} (bands).
import { randomInt } from "node:crypto";

export interface Range {
  readonly first: number;
  readonly last: number;
  /** The first number that random choice prefers. */
  readonly preferred: number;
}

/** Addresses of an IPv4 network without its first (network) and last (broadcast). */
export function addressRange(cidr: string): Range {
  const [address = "", bits = ""] = cidr.split("/");
  const prefix = Number(bits);
  const base = addressToNumber(address);
  const size = 2 ** (32 - prefix);
  if (!Number.isInteger(prefix) || prefix < 8 || prefix > 30 || base % size !== 0) {
    throw new Error(`${cidr} is no range for Services: an IPv4 network between /8 and /30 is needed`);
  }
  const band = Math.min(Math.max(16, Math.floor(size / 16)), 256);
  return { first: base + 1, last: base + size - 2, preferred: size > 32 ? base + band : base + 1 };
}

export function portRange(first: number, last: number): Range {
  const size = last - first + 1;
  const band = size < 32 ? 0 : Math.min(Math.max(16, Math.floor(size / 32)), 128);
  return { first, last, preferred: first + band };
}

/** A number that is not taken; undefined when all are. */
export function choose(range: Range, isTaken: (value: number) => boolean): number | undefined {
  return (
    probe(range.preferred, range.last, isTaken) ??
    (range.preferred > range.first ? probe(range.first, range.preferred - 1, isTaken) : undefined)
  );
}

function probe(first: number, last: number, isTaken: (value: number) => boolean): number | undefined {
  const size = last - first + 1;
  const start = randomInt(size);
  for (let i = 0; i < size; i++) {
    const value = first + ((start + i) % size);
    if (!isTaken(value)) return value;
  }
  return undefined;
}

export const contains = (range: Range, value: number) => value >= range.first && value <= range.last;

export const addressToNumber = (address: string): number =>
  address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);

export const numberToAddress = (value: number): string =>
  [24, 16, 8, 0].map((shift) => (value / 2 ** shift) & 255).join(".");
