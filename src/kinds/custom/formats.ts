// The string formats that schemas of custom resources may ask for; others are not checked.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/apiserver/validation/formats.go (names).
import { isIP, isIPv4, isIPv6 } from "node:net";

const hex = (digits: string) => new RegExp(`^${digits}$`, "i");
const uuid = (version: string) => hex(`[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}`);
const tests = (pattern: RegExp) => (text: string) => pattern.test(text);

const hostname =
  /^(?=.{1,253}$)[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?)*\.?$/;
const dateTime = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:?\d\d)$/;
const durationText = /^[-+]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h))*$/;
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const at = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

function isCidr(text: string): boolean {
  const [address = "", bits = "", ...rest] = text.split("/");
  const family = isIP(address);
  return rest.length === 0 && family !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}

/** Luhn's sum of a card number, or the weighted sum of an ISBN, over its digits. */
function isCreditCard(text: string): boolean {
  const digits = text.replaceAll(/[- ]/g, "");
  if (!/^\d{12,19}$/.test(digits)) return false;
  const sum = [...digits].toReversed().reduce((all, digit, i) => {
    const n = Number(digit) * (i % 2 ? 2 : 1);
    return all + (n > 9 ? n - 9 : n);
  }, 0);
  return sum % 10 === 0;
}

function isIsbn10(text: string): boolean {
  const digits = text.replaceAll(/[- ]/g, "");
  if (!/^\d{9}[\dX]$/.test(digits)) return false;
  return [...digits].reduce((all, digit, i) => all + (10 - i) * (digit === "X" ? 10 : Number(digit)), 0) % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replaceAll(/[- ]/g, "");
  if (!/^\d{13}$/.test(digits)) return false;
  return [...digits].reduce((all, digit, i) => all + Number(digit) * (i % 2 ? 3 : 1), 0) % 10 === 0;
}

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: tests(hex("[0-9a-f]{24}")),
  uri: (text) => URL.canParse(text) || text.startsWith("/"),
  email: tests(/^[^\s@<>()]+@[^\s@<>()]+$/),
  hostname: tests(hostname),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: tests(/^([0-9a-f]{2}([:-])([0-9a-f]{2}\2){4}[0-9a-f]{2}|([0-9a-f]{4}\.){2}[0-9a-f]{4})$/i),
  uuid: tests(uuid("[0-9a-f]")),
  uuid3: tests(uuid("3")),
  uuid4: tests(uuid("4")),
  uuid5: tests(uuid("5")),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: tests(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: tests(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: tests(/^rgb\(\s*(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\s*(,\s*(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])\s*){2}\)$/),
  byte: tests(/^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  date: isDate,
  "date-time": (text) => dateTime.test(text) && !Number.isNaN(Date.parse(text.toUpperCase().replace(",", "."))),
  datetime: (text) => dateTime.test(text),
  duration: tests(durationText),
  "k8s-short-name": tests(label),
  "k8s-long-name": (text) => text.length <= 253 && text.split(".").every((part) => label.test(part)),
};

/** True when the text has the format, or when the format is none that is checked. */
export const hasFormat = (text: string, format: string): boolean =>
  Object.hasOwn(formats, format) ? formats[format]!(text) : true;
