// AuthenticationConfiguration: what its jwt section says, checked and compiled.
// Follows kubernetes v1.36 apiserver/pkg/apis/apiserver/validation (rules of jwt and anonymous).
import { X509Certificate } from "node:crypto";
import { duplicate, forbiddenField, invalidValue, keyed, notSupported, path, required } from "../../machinery/field.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { parseConfig, refuse, type Shape } from "./config-file.ts";
import { compileExpression, type Expression } from "./expressions.ts";

interface ClaimOrExpression {
  readonly claim?: string;
  readonly prefix?: string;
  readonly expression?: string;
}

interface Rule {
  readonly claim?: string;
  readonly requiredValue?: string;
  readonly expression?: string;
  readonly message?: string;
}

/** One entry of `jwt`, as written. */
export interface JwtIssuerConfig {
  readonly issuer: {
    readonly url: string;
    readonly discoveryURL?: string;
    readonly certificateAuthority?: string;
    readonly audiences: readonly string[];
    readonly audienceMatchPolicy?: string;
  };
  readonly claimValidationRules?: readonly Rule[];
  readonly claimMappings: {
    readonly username: ClaimOrExpression;
    readonly groups?: ClaimOrExpression;
    readonly uid?: ClaimOrExpression;
    readonly extra?: readonly { readonly key: string; readonly valueExpression: string }[];
  };
  readonly userValidationRules?: readonly Rule[];
}

export interface AuthenticationConfig {
  readonly jwt: readonly CompiledIssuer[];
  /** Absent: as without a file. */
  readonly anonymous?: { readonly enabled: boolean; readonly conditions?: readonly { readonly path: string }[] };
}

/** An issuer with its expressions by their text: the same text means the same within `claims` and within `user`. */
export interface CompiledIssuer {
  readonly config: JwtIssuerConfig;
  readonly claims: ReadonlyMap<string, Expression>;
  readonly user: ReadonlyMap<string, Expression>;
}

const mapping: Shape = { claim: "string", prefix: "string", expression: "string" };
const shape: Record<string, Shape> = {
  jwt: [
    {
      issuer: {
        url: "string",
        discoveryURL: "string",
        certificateAuthority: "string",
        audiences: ["string"],
        audienceMatchPolicy: "string",
      },
      claimValidationRules: [{ claim: "string", requiredValue: "string", expression: "string", message: "string" }],
      claimMappings: {
        username: mapping,
        groups: mapping,
        uid: { claim: "string", expression: "string" },
        extra: [{ key: "string", valueExpression: "string" }],
      },
      userValidationRules: [{ expression: "string", message: "string" }],
    },
  ],
  anonymous: { enabled: "boolean", conditions: [{ path: "string" }] },
};

const versions = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];
const maxIssuers = 64;

/** Throws an Error with everything that is wrong. `ownIssuer` is the issuer of ServiceAccount tokens. */
export async function parseAuthenticationConfig(text: string, ownIssuer: string): Promise<AuthenticationConfig> {
  const parsed = await parseConfig(text, { kind: "AuthenticationConfiguration", apiVersions: versions, shape });
  const issuers = (parsed.jwt ?? []) as JwtIssuerConfig[];
  const anonymous = parsed.anonymous as AuthenticationConfig["anonymous"];
  const errors: FieldError[] = [];
  if (issuers.length > maxIssuers) errors.push(invalidValue("jwt", issuers.length, `at most ${maxIssuers} issuers`));
  if (anonymous?.conditions?.length && !anonymous.enabled) {
    errors.push(invalidValue("anonymous.conditions", "", "conditions are only for enabled anonymous access"));
  }
  for (const [index, { path: open }] of (anonymous?.conditions ?? []).entries()) {
    if (!open?.startsWith("/"))
      errors.push(invalidValue(`anonymous.conditions[${index}].path`, open, "must begin with /"));
  }
  const urls = issuers.flatMap(({ issuer }) => [issuer?.url, issuer?.discoveryURL].filter(Boolean));
  const jwt = issuers.map((config, index) => {
    const at = `jwt[${index}]`;
    const { url, discoveryURL } = config.issuer ?? {};
    for (const [field, value] of Object.entries({ url, discoveryURL })) {
      if (value && urls.filter((one) => one === value).length > 1)
        errors.push(duplicate(`${at}.issuer.${field}`, value));
    }
    if (url && url === ownIssuer)
      errors.push(invalidValue(`${at}.issuer.url`, url, "is the issuer of ServiceAccounts"));
    errors.push(...issuerErrors(config.issuer ?? {}, `${at}.issuer`));
    return compileIssuer(config, at, errors);
  });
  refuse(errors);
  return { jwt, ...(anonymous ? { anonymous } : {}) };
}

function issuerErrors(issuer: Partial<JwtIssuerConfig["issuer"]>, at: string): FieldError[] {
  const { url, discoveryURL, certificateAuthority, audiences = [], audienceMatchPolicy = "" } = issuer;
  const errors = [
    ...(url ? urlErrors(url, `${at}.url`) : [required(`${at}.url`)]),
    ...(discoveryURL ? urlErrors(discoveryURL, `${at}.discoveryURL`) : []),
    ...(audiences.length === 0 ? [required(`${at}.audiences`)] : []),
  ];
  for (const [index, audience] of audiences.entries()) {
    const field = `${at}.audiences[${index}]`;
    if (!audience) errors.push(required(field));
    else if (audiences.indexOf(audience) < index) errors.push(duplicate(field, audience));
  }
  const needsPolicy = audiences.length > 1;
  if (audienceMatchPolicy ? audienceMatchPolicy !== "MatchAny" : needsPolicy) {
    errors.push(notSupported(`${at}.audienceMatchPolicy`, audienceMatchPolicy, ["MatchAny"]));
  }
  if (certificateAuthority && !isCertificate(certificateAuthority)) {
    errors.push(invalidValue(`${at}.certificateAuthority`, "<omitted>", "is no PEM certificate"));
  }
  return errors;
}

function urlErrors(text: string, field: string): FieldError[] {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url) return [invalidValue(field, text, "is no URL")];
  const bad =
    url.protocol !== "https:"
      ? "URL scheme must be https"
      : url.username || url.password
        ? "URL must not contain a username or password"
        : url.search || url.hash || /[?#]/.test(text)
          ? "URL must not contain a query or a fragment"
          : undefined;
  return bad ? [invalidValue(field, text, bad)] : [];
}

function isCertificate(pem: string): boolean {
  try {
    return Boolean(new X509Certificate(pem));
  } catch {
    return false;
  }
}

/** Compiles all expressions of an issuer; complaints go into `errors`. */
function compileIssuer(config: JwtIssuerConfig, at: string, errors: FieldError[]): CompiledIssuer {
  const compiled = { config, claims: new Map<string, Expression>(), user: new Map<string, Expression>() };
  const compile = (about: "claims" | "user", field: string, expression: string, results: readonly string[]) => {
    try {
      compiled[about].set(expression, compileExpression(about, expression, results));
    } catch (error) {
      errors.push(invalidValue(field, expression, (error as Error).message));
    }
  };
  const { username, groups, uid, extra = [] } = config.claimMappings ?? {};
  const mappings = { username: username ?? {}, groups, uid };
  for (const [name, value] of Object.entries(mappings)) {
    if (!value) continue;
    const field = `${at}.claimMappings.${name}`;
    errors.push(...mappingErrors(value, field, name));
    const results = name === "groups" ? ["string", "list", "null"] : ["string"];
    if (value.expression) compile("claims", `${field}.expression`, value.expression, results);
  }
  for (const [index, { key, valueExpression }] of extra.entries()) {
    const field = path(`${at}.claimMappings.extra`, index);
    errors.push(...extraKeyErrors(key, `${field}.key`, extra.findIndex((one) => one.key === key) < index));
    if (!valueExpression) errors.push(required(`${field}.valueExpression`));
    else compile("claims", `${field}.valueExpression`, valueExpression, ["string", "list", "null"]);
  }
  const rules = config.claimValidationRules ?? [];
  for (const [index, rule] of rules.entries()) {
    const field = path(`${at}.claimValidationRules`, index);
    errors.push(...ruleErrors(rule, field));
    if (rule.expression) compile("claims", `${field}.expression`, rule.expression, ["bool"]);
  }
  for (const [index, { expression }] of (config.userValidationRules ?? []).entries()) {
    const field = `${path(`${at}.userValidationRules`, index)}.expression`;
    if (expression) compile("user", field, expression, ["bool"]);
    else errors.push(required(field));
  }
  errors.push(...emailErrors(config, `${at}.claimMappings.username.expression`));
  return compiled;
}

function mappingErrors({ claim, prefix, expression }: ClaimOrExpression, field: string, name: string): FieldError[] {
  if (claim && expression) return [invalidValue(field, "", "claim and expression can't both be set")];
  if (!claim && !expression) return [required(field, "claim or expression is required")];
  if (expression && prefix !== undefined) return [forbiddenField(`${field}.prefix`, "prefix is not for expressions")];
  return claim && prefix === undefined && name !== "uid"
    ? [required(`${field}.prefix`, 'prefix is required when claim is set; it can be set to ""')]
    : [];
}

function ruleErrors({ claim, requiredValue, expression, message }: Rule, field: string): FieldError[] {
  if (claim && expression) return [invalidValue(field, "", "claim and expression can't both be set")];
  if (!claim && !expression) return [required(field, "claim or expression is required")];
  if (claim && message) return [forbiddenField(`${field}.message`, "message is only for expressions")];
  return expression && requiredValue
    ? [forbiddenField(`${field}.requiredValue`, "requiredValue is only for claims")]
    : [];
}

function extraKeyErrors(key: string | undefined, field: string, isDuplicate: boolean): FieldError[] {
  if (!key) return [required(field)];
  if (isDuplicate) return [duplicate(field, key)];
  const [, domain, rest] = /^([^/]+)\/(.+)$/.exec(key) ?? [];
  if (!domain || !rest || key !== key.toLowerCase()) {
    return [invalidValue(field, key, "must be a domain-prefixed path in lower case, such as example.org/team")];
  }
  const reserved = /(^|\.)(k8s|kubernetes)\.io$/.test(domain);
  return reserved ? [invalidValue(keyed(field, key), key, "k8s.io and kubernetes.io are reserved")] : [];
}

/** An address that the issuer has not verified must not become a name by accident. */
function emailErrors({ claimMappings, claimValidationRules = [] }: JwtIssuerConfig, field: string): FieldError[] {
  const expression = claimMappings?.username?.expression ?? "";
  if (!/\bclaims\s*\.\s*\??email\b(?!_)|claims\s*\[\s*["']email["']/.test(expression)) return [];
  const others = [
    ...claimValidationRules.map((rule) => rule.expression),
    ...(claimMappings.extra ?? []).map(({ valueExpression }) => valueExpression),
  ];
  const verified = [expression, ...others].some((one) => one?.includes("email_verified"));
  const why = "claims.email_verified must be used in an expression when claims.email is used for the user name";
  return verified ? [] : [invalidValue(field, expression, why)];
}
