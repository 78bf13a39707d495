// What validating and mutating webhook configurations have in common.
// Follows kubernetes v1.36 pkg/apis/admissionregistration/v1/defaults.go and validation/validation.go.
import type {
  MatchCondition,
  MutatingWebhook,
  RuleWithOperations,
  ValidatingWebhook,
  WebhookClientConfig,
} from "../generated/admissionregistration.v1.ts";
import { duplicate, invalidValue, path, required, tooMany } from "../../machinery/field.ts";
import { dnsSubdomainErrors, qualifiedNameErrors } from "../../machinery/names.ts";
import { labelSelectorErrors } from "../../machinery/selector.ts";
import {
  all,
  among,
  complaints,
  each,
  eachUnique,
  type Errors,
  fields,
  type Found,
  list,
  optionallyAmong,
  repeats,
  within,
} from "../checks.ts";
import { clientConfigErrors } from "./client-config.ts";
import { compileConditions } from "./expressions.ts";

type Webhook = ValidatingWebhook | MutatingWebhook;
type Configuration = { webhooks?: Webhook[]; metadata: { resourceVersion: string } };

const maxMatchConditions = 64;
const operations = ["*", "CREATE", "UPDATE", "DELETE", "CONNECT"];
const reviewVersions = ["v1", "v1beta1"];

export function defaultRules(rules: readonly { scope?: string }[] | undefined): void {
  for (const rule of rules ?? []) rule.scope ??= "*";
}

export function defaultClientConfig(config: WebhookClientConfig | undefined): void {
  if (config?.service) config.service.port ??= 443;
}

export function defaultWebhooks(draft: { webhooks?: Webhook[] }): void {
  for (const webhook of draft.webhooks ?? []) {
    webhook.failurePolicy ??= "Fail";
    webhook.matchPolicy ??= "Equivalent";
    webhook.namespaceSelector ??= {};
    webhook.objectSelector ??= {};
    webhook.timeoutSeconds ??= 10;
    defaultRules(webhook.rules);
    defaultClientConfig(webhook.clientConfig);
  }
}

/** Words of a rule: at least one, and `*` only alone. */
export function wildcardErrors(field: string, values: readonly string[] | undefined): Found {
  if (!values?.length) return required(field);
  const text = "if '*' is present, must not specify other values";
  return values.length > 1 && values.includes("*") && invalidValue(field, values, text);
}

function resourcesErrors(field: string, resources: readonly string[] | undefined): Found {
  if (!resources?.length) return required(field);
  const given = new Set(resources);
  const refused = (text: string) => invalidValue(field, resources, `if ${text}`);
  if (given.has("*/*") && resources.length > 1) return refused("'*/*' is present, must not specify other resources");
  return all(
    given.has("*") &&
      resources.some((resource) => resource !== "*" && !resource.includes("/")) &&
      refused("'*' is present, must not specify other resources without subresources"),
    each(field, resources, (at, resource) => {
      const [name, subresource] = resource.split("/");
      const covering = subresource === undefined ? [] : [`${name}/*`, `*/${subresource}`];
      return all(
        resource === "" && required(at),
        covering
          .filter((wide) => wide !== resource && given.has(wide))
          .map((wide) => invalidValue(at, resource, `if '${wide}' is present, must not specify ${resource}`)),
      );
    }),
  );
}

/** One rule of a webhook or policy. */
export const ruleErrors = (at: string, rule: RuleWithOperations): Errors =>
  fields(at, rule, {
    operations: (field, words) => all(wildcardErrors(field, words), each(field, words, among(operations))),
    apiGroups: wildcardErrors,
    apiVersions: (field, words) =>
      all(
        wildcardErrors(field, words),
        each(field, words, (here, version) => !version && required(here)),
      ),
    resources: resourcesErrors,
    scope: optionallyAmong(["*", "Cluster", "Namespaced"]),
  });

export function matchConditionErrors(at: string, conditions: readonly MatchCondition[] | undefined): Errors {
  const count = conditions?.length ?? 0;
  if (count > maxMatchConditions) return [tooMany(at, count, maxMatchConditions)];
  const again = repeats();
  return each(at, conditions, (here, { name, expression }) => {
    const field = path(here, "name");
    return all(
      !expression?.trim() && required(path(here, "expression")),
      !name ? required(field) : again(name) && duplicate(field, name),
      name && complaints(field, name, qualifiedNameErrors(name)),
    );
  });
}

const expressionErrors = (conditions: readonly MatchCondition[] = [], at: string): Errors =>
  compileConditions(conditions).flatMap(({ text, error }, i) =>
    error && text?.trim() ? [invalidValue(path(at, i, "expression"), text, error)] : [],
  );

/** Names of webhooks: at least three labels, so that they carry a domain. */
function webhookNameErrors(at: string, name: string | undefined): Found {
  if (!name) return required(at);
  const text = "should be a domain with at least three segments separated by dots";
  return all(
    complaints(at, name, dnsSubdomainErrors(name)),
    name.split(".").length < 3 && invalidValue(at, name, text),
  );
}

function reviewVersionErrors(field: string, versions: readonly string[] = []): Found {
  const known = reviewVersions.join(", ");
  if (versions.length === 0) return required(field, `must specify one of ${known}`);
  const fits = versions.some((version) => reviewVersions.includes(version));
  return !fits && invalidValue(field, versions, `must include at least one of ${known}`);
}

const webhookErrors = (at: string, webhook: Webhook): Errors =>
  fields(at, webhook as MutatingWebhook, {
    name: webhookNameErrors,
    rules: list(ruleErrors),
    failurePolicy: optionallyAmong(["Fail", "Ignore"]),
    matchPolicy: optionallyAmong(["Equivalent", "Exact"]),
    sideEffects: among(["None", "NoneOnDryRun"]),
    timeoutSeconds: (field, seconds) => within(field, seconds, 1, 30),
    namespaceSelector: (field, selector) => labelSelectorErrors(selector, field),
    objectSelector: (field, selector) => labelSelectorErrors(selector, field),
    clientConfig: (field, config) => clientConfigErrors(config, field),
    reinvocationPolicy: optionallyAmong(["IfNeeded", "Never"]),
    matchConditions: (field, conditions) =>
      all(matchConditionErrors(field, conditions), expressionErrors(conditions, field)),
    admissionReviewVersions: reviewVersionErrors,
  });

export const webhooksErrors = ({ webhooks }: Configuration): Errors =>
  eachUnique<Webhook>("webhooks", webhooks, "name", webhookErrors);
