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
import { complaints, each, type Errors, oneOf, optionallyOneOf, within } from "../checks.ts";
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

function wildcardErrors(field: string, values: readonly string[] | undefined, missing = false): Errors {
  if (!values?.length) return missing ? [required(field)] : [];
  if (values.length > 1 && values.includes("*")) {
    return [invalidValue(field, values, "if '*' is present, must not specify other values")];
  }
  return [];
}

function resourcesErrors(field: string, resources: readonly string[] | undefined): Errors {
  if (!resources?.length) return [required(field)];
  const given = new Set(resources);
  const refused = (text: string) => invalidValue(field, resources, text);
  if (given.has("*/*") && resources.length > 1)
    return [refused("if '*/*' is present, must not specify other resources")];
  const errors: Errors = [];
  if (given.has("*") && resources.some((resource) => resource !== "*" && !resource.includes("/"))) {
    errors.push(refused("if '*' is present, must not specify other resources without subresources"));
  }
  resources.forEach((resource, i) => {
    const [name, subresource] = resource.split("/");
    if (resource === "") errors.push(required(path(field, i)));
    if (subresource === undefined) return;
    for (const covering of [`${name}/*`, `*/${subresource}`]) {
      if (covering === resource || !given.has(covering)) continue;
      errors.push(invalidValue(path(field, i), resource, `if '${covering}' is present, must not specify ${resource}`));
    }
  });
  return errors;
}

/** One rule of a webhook or policy. */
export function ruleErrors(rule: RuleWithOperations, at: string): Errors {
  return [
    ...wildcardErrors(path(at, "operations"), rule.operations, true),
    ...each(path(at, "operations"), rule.operations, (field, operation) => oneOf(field, operation, operations)),
    ...wildcardErrors(path(at, "apiGroups"), rule.apiGroups, true),
    ...wildcardErrors(path(at, "apiVersions"), rule.apiVersions, true),
    ...each(path(at, "apiVersions"), rule.apiVersions, (field, version) => (version ? [] : [required(field)])),
    ...resourcesErrors(path(at, "resources"), rule.resources),
    ...optionallyOneOf(path(at, "scope"), rule.scope, ["*", "Cluster", "Namespaced"]),
  ];
}

export function matchConditionErrors(conditions: readonly MatchCondition[] | undefined, at: string): Errors {
  const count = conditions?.length ?? 0;
  if (count > maxMatchConditions) return [tooMany(at, count, maxMatchConditions)];
  const seen = new Set<string>();
  return each(at, conditions, (here, { name, expression }) => {
    const errors: Errors = expression?.trim() ? [] : [required(path(here, "expression"))];
    if (!name) return [...errors, required(path(here, "name"))];
    if (seen.has(name)) errors.push(duplicate(path(here, "name"), name));
    seen.add(name);
    return [...errors, ...complaints(path(here, "name"), name, qualifiedNameErrors(name))];
  });
}

const expressionErrors = (conditions: readonly MatchCondition[] = [], at: string): Errors =>
  compileConditions(conditions).flatMap(({ text, error }, i) =>
    error && text?.trim() ? [invalidValue(path(at, i, "expression"), text, error)] : [],
  );

/** Names of webhooks: at least three labels, so that they carry a domain. */
function webhookNameErrors(name: string, at: string): Errors {
  if (!name) return [required(at)];
  const errors = complaints(at, name, dnsSubdomainErrors(name));
  return name.split(".").length < 3
    ? [...errors, invalidValue(at, name, "should be a domain with at least three segments separated by dots")]
    : errors;
}

function webhookErrors(webhook: Webhook, at: string): Errors {
  const versions = webhook.admissionReviewVersions ?? [];
  const field = path(at, "admissionReviewVersions");
  const errors: Errors = [];
  if (versions.length === 0) {
    errors.push(required(field, `must specify one of ${reviewVersions.join(", ")}`));
  } else if (!versions.some((version) => reviewVersions.includes(version))) {
    errors.push(invalidValue(field, versions, `must include at least one of ${reviewVersions.join(", ")}`));
  }
  return [
    ...webhookNameErrors(webhook.name, path(at, "name")),
    ...each(path(at, "rules"), webhook.rules, (here, rule) => ruleErrors(rule, here)),
    ...optionallyOneOf(path(at, "failurePolicy"), webhook.failurePolicy, ["Fail", "Ignore"]),
    ...optionallyOneOf(path(at, "matchPolicy"), webhook.matchPolicy, ["Equivalent", "Exact"]),
    ...oneOf(path(at, "sideEffects"), webhook.sideEffects, ["None", "NoneOnDryRun"]),
    ...within(path(at, "timeoutSeconds"), webhook.timeoutSeconds, 1, 30),
    ...labelSelectorErrors(webhook.namespaceSelector, path(at, "namespaceSelector")),
    ...labelSelectorErrors(webhook.objectSelector, path(at, "objectSelector")),
    ...clientConfigErrors(webhook.clientConfig, path(at, "clientConfig")),
    ...("reinvocationPolicy" in webhook
      ? optionallyOneOf(path(at, "reinvocationPolicy"), webhook.reinvocationPolicy, ["IfNeeded", "Never"])
      : []),
    ...matchConditionErrors(webhook.matchConditions, path(at, "matchConditions")),
    ...expressionErrors(webhook.matchConditions, path(at, "matchConditions")),
    ...errors,
  ];
}

export function webhooksErrors({ webhooks }: Configuration): Errors {
  const seen = new Set<string>();
  return each("webhooks", webhooks, (at, webhook) => {
    const errors = seen.has(webhook.name) ? [duplicate(path(at, "name"), webhook.name)] : [];
    seen.add(webhook.name);
    return [...errors, ...webhookErrors(webhook, at)];
  });
}
