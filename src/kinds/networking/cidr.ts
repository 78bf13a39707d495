// Whether address ranges contain one another.
import { parseCidr } from "../../machinery/names.ts";

function bitsOf(address: string, family: 4 | 6): bigint {
  if (family === 4) return address.split(".").reduce((bits, part) => (bits << 8n) | BigInt(part), 0n);
  const hex = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail] = hex.split("::");
  const groups = (text: string) => (text ? text.split(":") : []);
  const [left, right] = [groups(head), groups(tail ?? "")];
  const zeros = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => "0");
  return [...left, ...zeros, ...right].reduce((bits, part) => (bits << 16n) | BigInt(`0x${part}`), 0n);
}

/** True when every address of `inner` is in `outer` and `outer` has more. Both must be good CIDRs. */
export function containsStrictly(outer: string, inner: string): boolean {
  const [a, b] = [parseCidr(outer), parseCidr(inner)];
  if (!a || !b || a.family !== b.family || b.prefix <= a.prefix) return false;
  const shift = BigInt((a.family === 4 ? 32 : 128) - a.prefix);
  return bitsOf(a.address, a.family) >> shift === bitsOf(b.address, b.family) >> shift;
}

/** The address in the one form that all equal addresses share. */
export const canonicalAddress = (address: string): string =>
  address.includes(":") ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
