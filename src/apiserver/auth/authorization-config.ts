// AuthorizationConfiguration: the authorizers that are asked, in their order; followed while the server runs.
// Follows kubernetes v1.36 apiserver/pkg/apis/apiserver/validation (rules of authorizers) and pkg/kubeapiserver/authorizer.
import { isAbsolute } from "node:path";
import { webhookConnection } from "../../client/kubeconfig.ts";
import { parseDuration } from "../../machinery/duration.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { duplicate, forbiddenField, invalidValue, notSupported, required } from "../../machinery/field.ts";
import { dnsSubdomainErrors } from "../../machinery/names.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Authorizer } from "../types.ts";
import { authorizerChain, type AuthorizationOrder, type BuiltInAuthorizers } from "./authorizer-chain.ts";
import { followConfig, parseConfig, refuse, type Shape } from "./config-file.ts";
import { compileExpression, type Expression } from "./expressions.ts";
import { webhookAuthorizer } from "./webhook-authorizer.ts";

interface WebhookConfig {
  readonly authorizedTTL?: string;
  readonly cacheAuthorizedRequests?: boolean;
  readonly unauthorizedTTL?: string;
  readonly cacheUnauthorizedRequests?: boolean;
  readonly timeout?: string;
  readonly subjectAccessReviewVersion?: string;
  readonly matchConditionSubjectAccessReviewVersion?: string;
  readonly failurePolicy?: string;
  readonly connectionInfo?: { readonly type?: string; readonly kubeConfigFile?: string };
  readonly matchConditions?: readonly { readonly expression?: string }[];
}

interface AuthorizerConfig {
  readonly type?: string;
  readonly name?: string;
  readonly webhook?: WebhookConfig;
}

const shape: Record<string, Shape> = {
  authorizers: [
    {
      type: "string",
      name: "string",
      webhook: {
        authorizedTTL: "string",
        cacheAuthorizedRequests: "boolean",
        unauthorizedTTL: "string",
        cacheUnauthorizedRequests: "boolean",
        timeout: "string",
        subjectAccessReviewVersion: "string",
        matchConditionSubjectAccessReviewVersion: "string",
        failurePolicy: "string",
        connectionInfo: { type: "string", kubeConfigFile: "string" },
        matchConditions: [{ expression: "string" }],
      },
    },
  ],
};

const versions = ["apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1"];
const longestTimeoutMs = 30_000;

interface AuthorizationOptions {
  readonly file: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

type Chain = AuthorizationOrder;

/**
 * The chain that the file names; while it is followed, a file that cannot be used leaves the chain as it was. Throws an
 * Error that says what is wrong with the file now.
 */
export async function configuredChain(options: AuthorizationOptions): Promise<Chain> {
  let chain: Chain | undefined;
  const use = (next: Chain) => (chain = next);
  await followConfig(options.file, { ...options, load: (text) => chainOf(text, options), use });
  return (builtIn) => {
    let made = chain!;
    let current = made(builtIn);
    const now = () => {
      if (made !== chain) current = (made = chain!)(builtIn);
      return current;
    };
    return {
      authorize: (attributes) => now().authorize(attributes),
      prepare: (attributes) => now().prepare?.(attributes),
      rulesFor: (user, namespace) => now().rulesFor(user, namespace),
    };
  };
}

const noRules = { resourceRules: [], nonResourceRules: [] };

/** Administrators cannot be locked out, whatever comes after. */
const administrators: Authorizer = {
  authorize: ({ user }) => ({ allowed: user.groups.includes("system:masters"), reason: "" }),
  rulesFor: () => noRules,
};

const always = (allowed: boolean): Authorizer => ({
  authorize: () => ({ allowed, reason: allowed ? "" : "Everything is forbidden." }),
  rulesFor: () =>
    allowed
      ? {
          resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"] }],
          nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
        }
      : noRules,
});

const simple: Readonly<Record<string, (builtIn: BuiltInAuthorizers) => Authorizer>> = {
  Node: ({ Node }) => Node,
  RBAC: ({ RBAC }) => RBAC,
  AlwaysAllow: () => always(true),
  AlwaysDeny: () => always(false),
};

async function chainOf(text: string, options: AuthorizationOptions): Promise<Chain> {
  const parsed = await parseConfig(text, { kind: "AuthorizationConfiguration", apiVersions: versions, shape });
  const authorizers = (parsed.authorizers ?? []) as AuthorizerConfig[];
  const errors = authorizers.length === 0 ? [required("authorizers", "at least one authorizer must be defined")] : [];
  const conditions = authorizers.map((config, index) => check(config, index, authorizers, errors));
  refuse(errors);
  const parts = await Promise.all(
    authorizers.map(async ({ type, name, webhook }, index): Promise<Chain> => {
      if (!webhook) return simple[type!]!;
      const authorizer = await openWebhook(name!, webhook, conditions[index]!, options);
      return () => authorizer;
    }),
  );
  return (builtIn) => authorizerChain([administrators, ...parts.map((part) => part(builtIn))]);
}

async function openWebhook(
  name: string,
  config: WebhookConfig,
  matchConditions: readonly Expression[],
  { clock, log }: AuthorizationOptions,
): Promise<Authorizer> {
  const ms = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : parseDuration(text)!);
  const { cacheAuthorizedRequests = true, cacheUnauthorizedRequests = true } = config;
  return webhookAuthorizer({
    name,
    connection: await webhookConnection(config.connectionInfo!.kubeConfigFile!),
    reviewVersion: config.subjectAccessReviewVersion as "v1" | "v1beta1",
    timeoutMs: ms(config.timeout, 0),
    authorizedMs: cacheAuthorizedRequests ? ms(config.authorizedTTL, 300_000) : 0,
    unauthorizedMs: cacheUnauthorizedRequests ? ms(config.unauthorizedTTL, 30_000) : 0,
    failurePolicy: config.failurePolicy as "NoOpinion" | "Deny",
    matchConditions,
    clock,
    log,
  });
}

/** The compiled conditions of a webhook; complaints go into `errors`. */
function check(
  { type, name, webhook }: AuthorizerConfig,
  index: number,
  all: readonly AuthorizerConfig[],
  errors: FieldError[],
): Expression[] {
  const at = `authorizers[${index}]`;
  const known = [...Object.keys(simple), "Webhook"];
  if (!type) errors.push(required(`${at}.type`));
  else if (!known.includes(type)) errors.push(notSupported(`${at}.type`, type, known));
  else if (type !== "Webhook" && all.findIndex((one) => one.type === type) < index) {
    errors.push(duplicate(`${at}.type`, type));
  }
  if (!name) errors.push(required(`${at}.name`));
  else if (all.findIndex((one) => one.name === name) < index) errors.push(duplicate(`${at}.name`, name));
  else errors.push(...dnsSubdomainErrors(name).map((text) => invalidValue(`${at}.name`, name, text)));
  if (type !== "Webhook") {
    if (webhook) errors.push(forbiddenField(`${at}.webhook`, "may only be specified when type is Webhook"));
    return [];
  }
  if (!webhook) {
    errors.push(required(`${at}.webhook`));
    return [];
  }
  return checkWebhook(webhook, `${at}.webhook`, errors);
}

function checkWebhook(webhook: WebhookConfig, at: string, errors: FieldError[]): Expression[] {
  const oneOf = (field: keyof WebhookConfig, allowed: readonly string[]) => {
    const value = webhook[field] as string | undefined;
    if (!value) errors.push(required(`${at}.${field}`));
    else if (!allowed.includes(value)) errors.push(notSupported(`${at}.${field}`, value, allowed));
  };
  const duration = (field: "timeout" | "authorizedTTL" | "unauthorizedTTL", longestMs: number) => {
    const text = webhook[field];
    if (text === undefined) {
      if (field === "timeout") errors.push(required(`${at}.timeout`));
      return;
    }
    const ms = parseDuration(text);
    if (ms !== undefined && ms > 0 && ms <= longestMs) return;
    errors.push(invalidValue(`${at}.${field}`, text, "must be a positive duration, and a timeout at most 30s"));
  };
  duration("timeout", longestTimeoutMs);
  duration("authorizedTTL", Number.POSITIVE_INFINITY);
  duration("unauthorizedTTL", Number.POSITIVE_INFINITY);
  oneOf("subjectAccessReviewVersion", ["v1", "v1beta1"]);
  oneOf("failurePolicy", ["NoOpinion", "Deny"]);
  const { type, kubeConfigFile } = webhook.connectionInfo ?? {};
  if (type !== "KubeConfigFile") {
    errors.push(notSupported(`${at}.connectionInfo.type`, type ?? "", ["KubeConfigFile"]));
  } else if (!kubeConfigFile || !isAbsolute(kubeConfigFile)) {
    errors.push(invalidValue(`${at}.connectionInfo.kubeConfigFile`, kubeConfigFile ?? "", "must be an absolute path"));
  }
  const conditions = webhook.matchConditions ?? [];
  if (conditions.length > 0) oneOf("matchConditionSubjectAccessReviewVersion", ["v1"]);
  return conditions.flatMap(({ expression }, index) => {
    const field = `${at}.matchConditions[${index}].expression`;
    if (!expression) errors.push(required(field));
    try {
      return expression ? [compileExpression("request", expression, ["bool"])] : [];
    } catch (error) {
      errors.push(invalidValue(field, expression, (error as Error).message));
      return [];
    }
  });
}
