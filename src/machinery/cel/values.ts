// The value types that Kubernetes adds to CEL: quantities, URLs, IP addresses, CIDR ranges, semantic versions.
// Follows kubernetes v1.36 apiserver/pkg/cel/library (quantity.go, urls.go, ip.go, cidr.go, semverlib.go).
import { BlockList, isIP } from "node:net";
import { parseCidr } from "../names.ts";
import { parseQuantity } from "../quantity.ts";
import type { Environment } from "./environment.ts";
import { fail, maxScalarText } from "./value.ts";

export function registerValues(environment: Environment): void {
  registerQuantity(environment);
  registerUrl(environment);
  registerIp(environment);
  registerCidr(environment);
  registerSemver(environment);
}

const nanosPerUnit = 1_000_000_000n;

class Quantity {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
  toString(): string {
    return String(this.nanos);
  }
  static parse(text: string): Quantity {
    if (text.length > maxScalarText) throw new Error("unable to parse quantity");
    return new Quantity(parseQuantity(text).nanos);
  }
}

/** True when the function does not throw. */
const succeeds =
  <T>(make: (text: string) => T) =>
  (text: string): boolean => {
    try {
      make(text);
      return true;
    } catch {
      return false;
    }
  };

function parsed<T>(make: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return make(text);
    } catch (error) {
      return fail((error as Error).message);
    }
  };
}

function registerQuantity(environment: Environment): void {
  const type = "kubernetes.Quantity";
  environment.registerType(type, Quantity);
  environment.registerFunctions({
    [`quantity(string): ${type}`]: parsed(Quantity.parse),
    "isQuantity(string): bool": succeeds(Quantity.parse),
    [`${type}.sign(): int`]: ({ nanos }: Quantity) => (nanos > 0n ? 1n : nanos < 0n ? -1n : 0n),
    [`${type}.isInteger(): bool`]: ({ nanos }: Quantity) => nanos % nanosPerUnit === 0n,
    [`${type}.asInteger(): int`]: ({ nanos }: Quantity) =>
      nanos % nanosPerUnit === 0n ? nanos / nanosPerUnit : fail("cannot convert value to integer"),
    [`${type}.asApproximateFloat(): double`]: ({ nanos }: Quantity) => Number(nanos) / 1e9,
    [`${type}.isGreaterThan(${type}): bool`]: (a: Quantity, b: Quantity) => a.nanos > b.nanos,
    [`${type}.isLessThan(${type}): bool`]: (a: Quantity, b: Quantity) => a.nanos < b.nanos,
    [`${type}.compareTo(${type}): int`]: (a: Quantity, b: Quantity) =>
      a.nanos < b.nanos ? -1n : a.nanos > b.nanos ? 1n : 0n,
  });
  const amount = (value: Quantity | bigint) => (typeof value === "bigint" ? value * nanosPerUnit : value.nanos);
  const add = (a: Quantity, b: Quantity | bigint) => new Quantity(a.nanos + amount(b));
  const sub = (a: Quantity, b: Quantity | bigint) => new Quantity(a.nanos - amount(b));
  for (const other of [type, "int"]) {
    environment.registerFunctions({
      [`${type}.add(${other}): ${type}`]: add,
      [`${type}.sub(${other}): ${type}`]: sub,
    });
  }
}

function absoluteUrl(text: string): URL {
  if (text.startsWith("/")) return new URL(text, "none://");
  return new URL(text);
}

function registerUrl(environment: Environment): void {
  const type = "kubernetes.URL";
  environment.registerType(type, URL);
  environment.registerFunctions({
    [`url(string): ${type}`]: parsed(absoluteUrl),
    "isURL(string): bool": succeeds(absoluteUrl),
  });
  const isRelative = (url: URL) => url.protocol === "none:";
  environment.registerFunctions({
    [`${type}.getScheme(): string`]: (url: URL) => (isRelative(url) ? "" : url.protocol.slice(0, -1)),
    [`${type}.getHost(): string`]: (url: URL) => url.host,
    [`${type}.getHostname(): string`]: (url: URL) => url.hostname.replace(/^\[(.*)\]$/, "$1"),
    [`${type}.getPort(): string`]: (url: URL) => url.port,
    [`${type}.getEscapedPath(): string`]: (url: URL) => url.pathname,
    [`${type}.getQuery(): map<string, list<string>>`]: (url: URL) => {
      const query = new Map<string, string[]>();
      for (const [key, value] of url.searchParams) query.set(key, [...(query.get(key) ?? []), value]);
      return query;
    },
  });
}

class Address {
  readonly text: string;
  readonly family: 4 | 6;
  constructor(text: string) {
    const family = isIP(text);
    if (family === 0 || text.includes("%") || /^::ffff:\d+\./i.test(text)) {
      throw new Error(`IP Address ${JSON.stringify(text)} parse error during conversion from string`);
    }
    this.family = family as 4 | 6;
    this.text = family === 6 ? new URL(`http://[${text}]`).hostname.slice(1, -1) : text;
  }
  toString(): string {
    return this.text;
  }
}

const range = (...cidrs: string[]) => {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/");
    list.addSubnet(address, Number(bits), isIP(address) === 4 ? "ipv4" : "ipv6");
  }
  return list;
};
const familyName = (family: 4 | 6) => (family === 4 ? "ipv4" : "ipv6");

function registerIp(environment: Environment): void {
  const type = "kubernetes.IP";
  environment.registerType(type, Address);
  const make = (text: string) => new Address(text);
  environment.registerFunctions({
    [`ip(string): ${type}`]: parsed(make),
    "isIP(string): bool": succeeds(make),
    "ip.isCanonical(string): bool": (text: string) => {
      const address = parsed(make)(text);
      return address.text === text;
    },
    [`string(${type}): string`]: ({ text }: Address) => text,
    [`${type}.family(): int`]: ({ family }: Address) => BigInt(family),
  });
  const kinds: Readonly<Record<string, BlockList>> = {
    isUnspecified: range("0.0.0.0/32", "::/128"),
    isLoopback: range("127.0.0.0/8", "::1/128"),
    isLinkLocalMulticast: range("224.0.0.0/24", "ff02::/16"),
    isLinkLocalUnicast: range("169.254.0.0/16", "fe80::/10"),
  };
  for (const [name, list] of Object.entries(kinds)) {
    environment.registerFunction(`${type}.${name}(): bool`, ({ text, family }: Address) =>
      list.check(text, familyName(family)),
    );
  }
  const notGlobal = range(
    "0.0.0.0/32",
    "255.255.255.255/32",
    "127.0.0.0/8",
    "224.0.0.0/4",
    "169.254.0.0/16",
    "::/128",
    "::1/128",
    "ff00::/8",
    "fe80::/10",
  );
  environment.registerFunction(
    `${type}.isGlobalUnicast(): bool`,
    ({ text, family }: Address) => !notGlobal.check(text, familyName(family)),
  );
}

class Cidr {
  readonly address: Address;
  readonly prefix: number;
  readonly list = new BlockList();
  constructor(text: string) {
    const parts = parseCidr(text);
    if (!parts) throw new Error(`network address parse error during conversion from string: ${JSON.stringify(text)}`);
    this.address = new Address(parts.address);
    this.prefix = parts.prefix;
    this.list.addSubnet(this.address.text, this.prefix, familyName(this.address.family));
  }
  contains({ text, family }: Address): boolean {
    return family === this.address.family && this.list.check(text, familyName(family));
  }
  /** The range's first address. */
  masked(): Cidr {
    const bits = this.address.family === 4 ? 32 : 128;
    let number = numberOf(this.address);
    const hidden = BigInt(bits - this.prefix);
    number = (number >> hidden) << hidden;
    return new Cidr(`${addressText(number, this.address.family)}/${this.prefix}`);
  }
  toString(): string {
    return `${this.address.text}/${this.prefix}`;
  }
}

function numberOf({ text, family }: Address): bigint {
  if (family === 4) return text.split(".").reduce((all, part) => all * 256n + BigInt(part), 0n);
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => (part ? part.split(":") : []);
  const after = tail === undefined ? [] : groups(tail);
  const before = groups(head);
  const zeros = Array<string>(tail === undefined ? 0 : 8 - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after].reduce((all, group) => all * 65536n + BigInt(`0x${group}`), 0n);
}

function addressText(number: bigint, family: 4 | 6): string {
  const width = family === 4 ? 8n : 16n;
  const count = family === 4 ? 4 : 8;
  const parts = Array.from(
    { length: count },
    (_, i) => (number >> (width * BigInt(count - 1 - i))) & ((1n << width) - 1n),
  );
  return family === 4 ? parts.join(".") : parts.map((part) => part.toString(16)).join(":");
}

function registerCidr(environment: Environment): void {
  const type = "kubernetes.CIDR";
  environment.registerType(type, Cidr);
  const make = (text: string) => new Cidr(text);
  environment.registerFunctions({
    [`cidr(string): ${type}`]: parsed(make),
    "isCIDR(string): bool": succeeds(make),
    [`string(${type}): string`]: String,
    [`${type}.ip(): kubernetes.IP`]: ({ address }: Cidr) => address,
    [`${type}.masked(): ${type}`]: (cidr: Cidr) => cidr.masked(),
    [`${type}.prefixLength(): int`]: ({ prefix }: Cidr) => BigInt(prefix),
    [`${type}.containsIP(kubernetes.IP): bool`]: (cidr: Cidr, ip: Address) => cidr.contains(ip),
    [`${type}.containsIP(string): bool`]: (cidr: Cidr, ip: string) =>
      cidr.contains(parsed((text) => new Address(text))(ip)),
  });
  const containsCidr = (outer: Cidr, inner: Cidr) =>
    outer.prefix <= inner.prefix && outer.contains(inner.masked().address);
  environment.registerFunctions({
    [`${type}.containsCIDR(${type}): bool`]: containsCidr,
    [`${type}.containsCIDR(string): bool`]: (outer: Cidr, inner: string) => containsCidr(outer, parsed(make)(inner)),
  });
}

const semverText =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;

class Semver {
  readonly numbers: readonly [bigint, bigint, bigint];
  readonly prerelease: readonly string[];
  constructor(text: string) {
    const match = text.length > maxScalarText ? null : semverText.exec(text);
    if (!match) throw new Error(`Invalid semantic version ${JSON.stringify(text)}`);
    this.numbers = [BigInt(match[1]!), BigInt(match[2]!), BigInt(match[3]!)];
    this.prerelease = match[4]?.split(".") ?? [];
  }
  toString(): string {
    return [this.numbers.join("."), ...this.prerelease].join("-");
  }
}

const order = <T>(a: T, b: T) => (a < b ? -1 : a > b ? 1 : 0);

function compareSemver(a: Semver, b: Semver): number {
  for (const i of [0, 1, 2] as const) if (a.numbers[i] !== b.numbers[i]) return order(a.numbers[i], b.numbers[i]);
  if (!a.prerelease.length || !b.prerelease.length) return order(b.prerelease.length, a.prerelease.length);
  for (let i = 0; i < Math.max(a.prerelease.length, b.prerelease.length); i++) {
    const [x, y] = [a.prerelease[i], b.prerelease[i]];
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    if (x === y) continue;
    const [isX, isY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isX !== isY) return isX ? -1 : 1;
    return isX ? order(BigInt(x), BigInt(y)) : order(x, y);
  }
  return 0;
}

function registerSemver(environment: Environment): void {
  const type = "kubernetes.Semver";
  environment.registerType(type, Semver);
  const make = (text: string) => new Semver(text);
  environment.registerFunctions({
    [`semver(string): ${type}`]: parsed(make),
    "isSemver(string): bool": succeeds(make),
  });
  (["major", "minor", "patch"] as const).forEach((name, i) =>
    environment.registerFunction(`${type}.${name}(): int`, ({ numbers }: Semver) => numbers[i as 0 | 1 | 2]),
  );
  environment.registerFunctions({
    [`${type}.isGreaterThan(${type}): bool`]: (a: Semver, b: Semver) => compareSemver(a, b) > 0,
    [`${type}.isLessThan(${type}): bool`]: (a: Semver, b: Semver) => compareSemver(a, b) < 0,
    [`${type}.compareTo(${type}): int`]: (a: Semver, b: Semver) => BigInt(compareSemver(a, b)),
  });
}
