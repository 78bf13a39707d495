// IPv4 addresses and ranges as numbers: parsing, containment, overlap.

export interface Cidr {
  /** First address of the range as an unsigned 32-bit number. */
  readonly base: number;
  readonly prefix: number;
}

/** The address as an unsigned 32-bit number, or undefined when it is no IPv4 address. */
export function parseAddress(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return undefined;
    value = value * 256 + Number(part);
  }
  return value;
}

export const formatAddress = (value: number): string =>
  [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");

/** Parses `10.0.0.0/8`, or a bare address as a /32; undefined when it is neither. */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", length = "32", ...rest] = text.split("/");
  const value = parseAddress(address);
  if (value === undefined || rest.length > 0 || !/^\d{1,2}$/.test(length) || Number(length) > 32) return undefined;
  return { base: first(value, Number(length)), prefix: Number(length) };
}

/** Like `parseCidr`, for ranges that configuration must have right: throws with the name of the setting. */
export function requireCidr(text: string, setting: string): Cidr {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`${setting}: ${JSON.stringify(text)} is not an IPv4 range such as 10.244.0.0/16`);
  return cidr;
}

const size = (prefix: number) => 2 ** (32 - prefix);
const first = (value: number, prefix: number) => value - (value % size(prefix));

export const contains = (cidr: Cidr, address: number): boolean =>
  address >= cidr.base && address < cidr.base + size(cidr.prefix);

export const overlaps = (a: Cidr, b: Cidr): boolean =>
  a.prefix <= b.prefix ? contains(a, b.base) : contains(b, a.base);

export const formatCidr = (cidr: Cidr): string => `${formatAddress(cidr.base)}/${cidr.prefix}`;

/** The `n`th address of a range (0 is its base). */
export const addressAt = (cidr: Cidr, n: number): string => formatAddress(cidr.base + n);
