// EncryptionConfiguration: which resources are encrypted by which providers. Follows kubernetes v1.36
// apiserver/pkg/apis/apiserver/validation/validation_encryption.go (rules and messages).
import { parseDuration } from "../../machinery/duration.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { parseConfig, refuse, type Shape } from "../auth/config-file.ts";
import type { Rule } from "./codec.ts";
import { aesCbc, aesGcm, identity, secretbox, type NamedKey, type Provider } from "./providers.ts";

interface KeysConfig {
  readonly keys?: readonly { readonly name?: string; readonly secret?: string }[];
}

interface KmsConfig {
  readonly apiVersion?: string;
  readonly name?: string;
  readonly cachesize?: number;
  readonly endpoint?: string;
  readonly timeout?: string;
}

interface ProviderConfig {
  readonly kms?: KmsConfig | null;
  readonly aesgcm?: KeysConfig | null;
  readonly aescbc?: KeysConfig | null;
  readonly secretbox?: KeysConfig | null;
  readonly identity?: object | null;
}

interface ResourceConfig {
  readonly resources?: readonly string[];
  readonly providers?: readonly ProviderConfig[];
}

/** What a KMS provider is asked over. */
export interface KmsPlugin {
  readonly name: string;
  /** `unix:///…` */
  readonly endpoint: string;
  readonly timeoutMs: number;
}

const keysShape: Shape = { keys: [{ name: "string", secret: "string" }] };
const shape: Record<string, Shape> = {
  resources: [
    {
      resources: ["string"],
      providers: [
        {
          kms: { apiVersion: "string", name: "string", cachesize: "number", endpoint: "string", timeout: "string" },
          aesgcm: keysShape,
          aescbc: keysShape,
          secretbox: keysShape,
          identity: {},
        },
      ],
    },
  ],
};

const usualTimeout = "3s";
const aesKeySizes = [16, 24, 32];
const keyed = { aesgcm: aesKeySizes, aescbc: aesKeySizes, secretbox: [32] } as const;

/** The rules of the text; `openKms` makes the provider of a plugin. Throws an Error with every complaint. */
export async function parseEncryptionConfig(
  text: string,
  openKms: (plugin: KmsPlugin) => Promise<Provider>,
): Promise<readonly Rule[]> {
  const parsed = await parseConfig(text, {
    kind: "EncryptionConfiguration",
    apiVersions: ["apiserver.config.k8s.io/v1"],
    shape,
  });
  const configs = (parsed.resources ?? []) as readonly ResourceConfig[];
  refuse(validate(configs));
  refuseMasked(configs);
  const rules: Rule[] = [];
  for (const { resources = [], providers = [] } of configs) {
    const opened = (await Promise.all(providers.map((provider) => open(provider, openKms)))).flat();
    rules.push(...resources.map((resource) => ({ resource, providers: opened })));
  }
  return rules;
}

async function open(config: ProviderConfig, openKms: (plugin: KmsPlugin) => Promise<Provider>): Promise<Provider[]> {
  const { kms, aesgcm, aescbc, secretbox: box } = config;
  if (aesgcm) return keysOf(aesgcm).map(aesGcm);
  if (aescbc) return keysOf(aescbc).map(aesCbc);
  if (box) return Promise.all(keysOf(box).map(secretbox));
  if (!kms) return [identity];
  const { name, endpoint, timeout = usualTimeout } = kms;
  return [await openKms({ name: name!, endpoint: endpoint!, timeoutMs: parseDuration(timeout)! })];
}

const keysOf = ({ keys = [] }: KeysConfig): NamedKey[] =>
  keys.map(({ name, secret }) => ({ name: name!, secret: Buffer.from(secret!, "base64") }));

const atLeastOne = (field: string, what = field) => required(field, `at least one ${what} is required`);

function validate(configs: readonly ResourceConfig[]): FieldError[] {
  if (configs.length === 0) return [atLeastOne("resources")];
  const kmsNames = new Set<string>();
  return configs.flatMap(({ resources = [], providers = [] }, index) => {
    const at = `resources[${index}]`;
    return [
      ...(resources.length === 0 ? [atLeastOne(`${at}.resources`)] : []),
      ...overlaps(resources, `${at}.resources`),
      ...resources.flatMap((name, i) =>
        complaintAbout(name).map((text) => invalidValue(`${at}.resources[${i}]`, name, text)),
      ),
      ...(providers.length === 0 ? [atLeastOne(`${at}.providers`)] : []),
      ...providers.flatMap((provider, i) => validateProvider(provider, `${at}.providers[${i}]`, kmsNames)),
    ];
  });
}

/** `secrets` → ["secrets", ""]; `*.apps` → ["*", "apps"]. */
function split(name: string): [resource: string, group: string] {
  const dot = name.indexOf(".");
  return dot < 0 ? [name, ""] : [name.slice(0, dot), name.slice(dot + 1)];
}

function overlaps(names: readonly string[], at: string): FieldError[] {
  const parts = names.map(split);
  const pairs = parts.flatMap((a, i) => parts.filter((_, j) => i !== j).map((b) => [a, b] as const));
  const same = ([[r1, g1], [r2, g2]]: (typeof pairs)[number]) => r1 === r2 && g1 === g2;
  const masked = ([[r1, g1], [r2, g2]]: (typeof pairs)[number]) =>
    (r1 === "*" && g1 === "*") || (g1 === g2 && (r1 === "*" || r2 === "*"));
  return [
    ...(pairs.some(same) ? [invalidValue(at, names, "the same resource cannot be specified multiple times")] : []),
    ...(pairs.some((pair) => !same(pair) && masked(pair))
      ? [
          invalidValue(
            at,
            names,
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
          ),
        ]
      : []),
  ];
}

function complaintAbout(name: string): string[] {
  const [resource, group] = split(name);
  if (name.toLowerCase() !== name) return ["resource name should not contain capital letters"];
  if (name === "*")
    return ["use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"];
  if (["apiserveripinfo", "serviceipallocations", "servicenodeportallocations"].includes(name)) {
    return ["resources which do not have REST API/s cannot be encrypted"];
  }
  if (group === "events.k8s.io") {
    return [
      "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file",
    ];
  }
  if (group === "extensions") return ["'extensions' group has been removed and cannot be used for encryption"];
  if (group === "*" && resource !== "*") return ["encrypting the same resource across groups is not supported"];
  return [];
}

function validateProvider(provider: ProviderConfig, at: string, kmsNames: Set<string>): FieldError[] {
  const given = Object.entries(provider).filter(([, value]) => value !== null && value !== undefined);
  if (given.length === 0) {
    const known = "KMS, AESGCM, AESCBC, Secretbox, Identity";
    return [invalidValue(at, {}, `provider does not contain any of the expected providers: ${known}`)];
  }
  if (given.length > 1) {
    const names = Object.fromEntries(given.map(([name]) => [name, "REDACTED"]));
    const what = "more than one provider specified in a single element, should split into different list elements";
    return [invalidValue(at, names, what)];
  }
  const [name, config] = given[0]!;
  if (name === "kms") return validateKms(config as KmsConfig, `${at}.kms`, kmsNames);
  if (name === "identity") return [];
  const { keys = [] } = config as KeysConfig;
  if (keys.length === 0) return [atLeastOne(`${at}.${name}.keys`, "keys")];
  const sizes = keyed[name as keyof typeof keyed];
  return keys.flatMap((key, i) => validateKey(key, `${at}.${name}.keys[${i}]`, sizes));
}

const mandatory = (field: string, of: string) => `${field} is a mandatory field for a ${of}`;

function validateKey(
  { name, secret }: { readonly name?: string; readonly secret?: string },
  at: string,
  sizes: readonly number[],
): FieldError[] {
  const errors = name ? [] : [required(`${at}.name`, mandatory("name", "key"))];
  if (!secret) return [...errors, required(`${at}.secret`, mandatory("secret", "key"))];
  const field = `${at}.secret`;
  if (secret.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(secret)) {
    return [...errors, invalidValue(field, "REDACTED", "secrets must be base64 encoded")];
  }
  const { length } = Buffer.from(secret, "base64");
  if (sizes.includes(length)) return errors;
  const text = `secret is not of the expected length, got ${length}, expected one of [${sizes.join(" ")}]`;
  return [...errors, invalidValue(field, "REDACTED", text)];
}

function validateKms(kms: KmsConfig, at: string, names: Set<string>): FieldError[] {
  const { name = "", endpoint = "", timeout = usualTimeout, apiVersion = "v1", cachesize } = kms;
  const errors: FieldError[] = [];
  const complain = (field: string, value: unknown, text: string) =>
    errors.push(invalidValue(`${at}.${field}`, value, text));
  if (!name) errors.push(required(`${at}.name`, mandatory("name", "provider")));
  if (name.includes(":")) complain("name", name, `invalid KMS provider name ${name}, must not contain ':'`);
  if (names.has(name)) complain("name", name, `duplicate KMS provider name ${name}, names must be unique`);
  names.add(name);
  const timeoutMs = parseDuration(timeout);
  if (timeoutMs === undefined || timeoutMs <= 0) complain("timeout", timeout, "timeout should be a positive value");
  if (!endpoint) complain("endpoint", "", mandatory("endpoint", "kms"));
  else if (!endpoint.startsWith("unix:")) {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(endpoint)?.[1] ?? "";
    complain(
      "endpoint",
      endpoint,
      `unsupported scheme ${JSON.stringify(scheme)} for KMS provider, only unix is supported`,
    );
  }
  if (apiVersion === "v1") complain("apiVersion", apiVersion, "KMSv1 is deprecated and not supported, use v2");
  else if (apiVersion !== "v2") {
    complain(
      "apiVersion",
      apiVersion,
      "unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported",
    );
  }
  if (apiVersion !== "v1" && cachesize !== undefined)
    complain("cachesize", cachesize, "cachesize is not supported in v2");
  return errors;
}

/** A rule that could never be reached is a mistake. */
function refuseMasked(configs: readonly ResourceConfig[]): void {
  const earlier = new Set<string>();
  for (const { resources = [] } of configs) {
    for (const name of resources) {
      const [, group] = split(name);
      const masking = [`*.${group}`, "*.*"].find((rule) => earlier.has(rule));
      if (masking)
        throw new Error(`resource ${JSON.stringify(name)} is masked by earlier rule ${JSON.stringify(masking)}`);
    }
    for (const name of resources) earlier.add(name);
  }
}
