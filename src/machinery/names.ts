// Rules for names, label keys and values, ports and addresses: each returns the complaints about a text, none when it is good.
// Follows kubernetes v1.36 apimachinery/pkg/util/validation (rules and message forms).
import { isIP } from "node:net";

function regexComplaint(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  return `${message} (e.g. ${examples.map((example) => `'${example}', `).join(" or ")}regex used for validation is '${pattern}')`;
}

const maxLengthComplaint = (length: number): string => `must be no more than ${length} bytes`;

/** Complaint of a number outside of a range. */
export const rangeComplaint = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

interface Rule {
  readonly pattern: RegExp;
  readonly complaint: string;
  readonly maxLength: number;
}

function rule(maxLength: number, source: string, message: string, ...examples: string[]): Rule {
  return { pattern: new RegExp(`^(?:${source})$`), complaint: regexComplaint(message, source, ...examples), maxLength };
}

function check(text: string, { pattern, complaint, maxLength }: Rule): string[] {
  const complaints: string[] = [];
  if (text.length > maxLength) complaints.push(maxLengthComplaint(maxLength));
  // An over-long text is not matched: it may be hostile.
  if (text.length > 4096 || !pattern.test(text)) complaints.push(complaint);
  return complaints;
}

const label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const qualified = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const alphanumeric =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

const dnsLabel = rule(
  63,
  label,
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  "my-name",
  "123-abc",
);
const dnsSubdomain = rule(
  253,
  `${label}(\\.${label})*`,
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  "example.com",
);
const wildcardSubdomain = rule(
  253,
  `\\*\\.${label}(\\.${label})*`,
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  "*.example.com",
);
const dns1035Label = rule(
  63,
  "[a-z]([-a-z0-9]*[a-z0-9])?",
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  "my-name",
  "abc-123",
);
const qualifiedName = rule(63, qualified, alphanumeric, "MyName", "my.name", "123-abc");
const labelValue = rule(
  63,
  `(${qualified})?`,
  `a valid label must be an empty string or consist of ${alphanumeric.slice("must consist of ".length)}`,
  "MyValue",
  "my_value",
  "12345",
);
const configMapKey = rule(
  253,
  "[-._a-zA-Z0-9]+",
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  "key.name",
  "KEY_NAME",
  "key-name",
);
const cIdentifier = rule(
  Number.POSITIVE_INFINITY,
  "[A-Za-z_][A-Za-z0-9_]*",
  "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
  "my_name",
  "MY_NAME",
  "MyName",
);

export const dnsLabelErrors = (text: string): string[] => check(text, dnsLabel);
export const dnsSubdomainErrors = (text: string): string[] => check(text, dnsSubdomain);
export const wildcardSubdomainErrors = (text: string): string[] => check(text, wildcardSubdomain);
export const dns1035LabelErrors = (text: string): string[] => check(text, dns1035Label);
export const labelValueErrors = (text: string): string[] => check(text, labelValue);
export const cIdentifierErrors = (text: string): string[] => check(text, cIdentifier);

/** Good ones: the same few keys come over and over. Bounded. */
const goodKeys = new Set<string>();
const maxGoodKeys = 4096;

/** Label and annotation keys: `name` or `example.com/name`. */
export function qualifiedNameErrors(text: string): string[] {
  if (goodKeys.has(text)) return [];
  const complaints = keyErrors(text);
  if (complaints.length === 0 && goodKeys.size < maxGoodKeys) goodKeys.add(text);
  return complaints;
}

function keyErrors(text: string): string[] {
  const parts = text.split("/");
  if (parts.length > 2) {
    return [
      `a qualified name ${regexComplaint(alphanumeric, qualified, "MyName", "my.name", "123-abc")} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const complaints: string[] = [];
  const name = parts.at(-1)!;
  if (parts.length === 2) {
    const prefix = parts[0]!;
    if (prefix === "") complaints.push("prefix part must be non-empty");
    else complaints.push(...dnsSubdomainErrors(prefix).map((complaint) => `prefix part ${complaint}`));
  }
  if (name === "") complaints.push("name part must be non-empty");
  if (name.length > 63) complaints.push(`name part ${maxLengthComplaint(63)}`);
  if (name.length > 4096 || !qualifiedName.pattern.test(name)) complaints.push(`name part ${qualifiedName.complaint}`);
  return complaints;
}

/** A name that fits one segment of a URL path (RBAC objects, custom names). */
export function pathSegmentErrors(text: string): string[] {
  if (text === "." || text === "..") return [`may not be '${text}'`];
  return ["/", "%"].filter((bad) => text.includes(bad)).map((bad) => `may not contain '${bad}'`);
}

/** Names of container ports: IANA service names. */
export function portNameErrors(text: string): string[] {
  const complaints: string[] = [];
  if (text.length > 15) complaints.push(maxLengthComplaint(15));
  if (!/^[-a-z0-9]+$/.test(text))
    complaints.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!/[a-z]/.test(text)) complaints.push("must contain at least one letter (a-z)");
  if (text.includes("--")) complaints.push("must not contain consecutive hyphens");
  if (text.startsWith("-") || text.endsWith("-")) complaints.push("must not begin or end with a hyphen");
  return complaints;
}

export const portNumberErrors = (port: number): string[] =>
  Number.isInteger(port) && port >= 1 && port <= 65535 ? [] : [rangeComplaint(1, 65535)];

/** Keys of ConfigMaps and Secrets. */
export function configMapKeyErrors(text: string): string[] {
  const complaints = check(text, configMapKey);
  if (text === "." || text === "..") complaints.push(`must not be '${text}'`);
  else if (text.startsWith("..")) complaints.push("must not start with '..'");
  return complaints;
}

/** Names of environment variables: any printable ASCII but `=`. */
export const envVarNameErrors = (text: string): string[] =>
  text.length > 0 && /^[ -<>-~]+$/.test(text)
    ? []
    : [
        regexComplaint(
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
          "^[ -<>-~]+$",
        ),
      ];

export const isIPv4 = (text: string): boolean => isIP(text) === 4;
export const isIPv6 = (text: string): boolean => isIP(text) === 6 && !text.includes("%");
const isAddress = (text: string): boolean => isIPv4(text) || isIPv6(text);

export const ipErrors = (text: string): string[] =>
  isAddress(text) ? [] : ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];

/** The address family and prefix length of `10.0.0.0/8`; undefined when it is no CIDR. */
export function parseCidr(text: string): { address: string; family: 4 | 6; prefix: number } | undefined {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  if (!match || !isAddress(match[1]!)) return undefined;
  const family = isIPv4(match[1]!) ? 4 : 6;
  const prefix = Number(match[2]);
  return prefix <= (family === 4 ? 32 : 128) ? { address: match[1]!, family, prefix } : undefined;
}

export const cidrErrors = (text: string): string[] =>
  parseCidr(text) ? [] : ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"];

const suffixAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/** Random characters that spell no words and are not mistaken for one another, as generated names end in. */
export function randomSuffix(length: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(length * 2));
  let out = "";
  for (let i = 0; i < length; i++)
    out += suffixAlphabet[((bytes[2 * i]! << 8) | bytes[2 * i + 1]!) % suffixAlphabet.length];
  return out;
}

/** Maps the bytes of a text to the alphabet of generated names. */
export function safeEncode(text: string): string {
  const bytes = Buffer.from(text);
  let out = "";
  for (let i = 0; i < bytes.length; i++) out += suffixAlphabet[bytes[i]! % suffixAlphabet.length];
  return out;
}
