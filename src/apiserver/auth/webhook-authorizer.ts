// Asks a webhook who may do what. Answers are looked up before they are needed (`prepare`) and then taken from memory.
// Follows kubernetes v1.36 apiserver/plugin/pkg/authorizer/webhook.
import type { SubjectAccessReview, SubjectAccessReviewSpec } from "../../kinds/generated/authorization.v1.ts";
import type { WebhookConnection } from "../../client/kubeconfig.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Attributes, Authorizer, Decision } from "../types.ts";
import type { Expression } from "./expressions.ts";
import { postReview } from "./https-json.ts";
import { createReviewCache } from "./review-cache.ts";

export interface WebhookAuthorizerOptions {
  readonly name: string;
  readonly connection: WebhookConnection;
  readonly reviewVersion: "v1" | "v1beta1";
  readonly timeoutMs: number;
  /** How long answers are used again; 0 asks for every request. */
  readonly authorizedMs: number;
  readonly unauthorizedMs: number;
  /** What it means that the webhook or a condition fails. */
  readonly failurePolicy: "NoOpinion" | "Deny";
  /** The webhook is asked only about what all of them are true of. */
  readonly matchConditions: readonly Expression[];
  readonly clock: Clock;
  readonly log: Logger;
}

const noOpinion: Decision = { allowed: false, reason: "" };

export function webhookAuthorizer(options: WebhookAuthorizerOptions): Authorizer {
  const { name, clock, log, connection, reviewVersion, timeoutMs, failurePolicy } = options;
  const failed: Decision =
    failurePolicy === "Deny" ? { allowed: false, denied: true, reason: `webhook ${name} failed` } : noOpinion;
  const apiVersion = `authorization.k8s.io/${reviewVersion}`;
  const answers = createReviewCache({
    clock,
    goodForMs: ({ allowed, failure }: Answer) =>
      failure ? 0 : allowed ? options.authorizedMs : options.unauthorizedMs,
    async ask(spec: SubjectAccessReviewSpec): Promise<Answer> {
      const { groups, ...others } = spec;
      const sent = reviewVersion === "v1" ? spec : { ...others, group: groups };
      const body = { apiVersion, kind: "SubjectAccessReview", metadata: {}, spec: sent };
      try {
        return decisionOf(await postReview(connection, body, { clock, timeoutMs }));
      } catch (error) {
        log.warn({ webhook: name, error }, "an authorization webhook failed");
        return { ...failed, failure: true };
      }
    },
  });
  /** What a failing or untrue condition decides without the webhook. */
  const decidedBefore = (spec: SubjectAccessReviewSpec): Decision | undefined => {
    const { matches, error } = matching(options.matchConditions, spec);
    if (error) log.warn({ webhook: name, error }, "a match condition of an authorization webhook failed");
    return error ? failed : matches ? undefined : noOpinion;
  };
  return {
    authorize(attributes) {
      const spec = specOf(attributes);
      const known = decidedBefore(spec) ?? answers.latest(spec);
      // Somebody asks without having prepared: what the webhook might forbid must not pass.
      return known ?? { allowed: false, denied: true, reason: `webhook ${name} was not asked` };
    },
    prepare(attributes) {
      const spec = specOf(attributes);
      return decidedBefore(spec) ? undefined : answers.fresh(spec).then(() => {});
    },
    rulesFor: () => ({
      resourceRules: [],
      nonResourceRules: [],
      incomplete: "webhook authorizer does not support user rule resolution",
    }),
  };
}

interface Answer extends Decision {
  readonly failure?: boolean;
}

function decisionOf(review: unknown): Answer {
  const { status } = (review ?? {}) as Partial<SubjectAccessReview>;
  if (!status) throw new Error("the webhook answered without a status");
  if (status.allowed && status.denied) throw new Error("the webhook both allowed and denied");
  const reason = status.reason ?? "";
  return { allowed: status.allowed === true, ...(status.denied ? { denied: true } : {}), reason };
}

function specOf(attributes: Attributes): SubjectAccessReviewSpec {
  const { user, path, verb, group, version, resource, subresource, namespace, name } = attributes;
  return {
    user: user.name,
    groups: [...user.groups],
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.extra ? { extra: user.extra as Record<string, string[]> } : {}),
    ...(path === undefined
      ? {
          resourceAttributes: {
            namespace,
            verb,
            group,
            version,
            resource,
            subresource,
            name,
            ...selectorsOf(attributes),
          },
        }
      : { nonResourceAttributes: { path, verb } }),
  };
}

const labelOperators = {
  in: "In",
  "=": "In",
  notin: "NotIn",
  "!=": "NotIn",
  exists: "Exists",
  "!": "DoesNotExist",
} as const;

/** Selectors as reviews carry them; comparisons of numbers have no form there. */
function selectorsOf({ fieldSelector, labelSelector }: Attributes) {
  const fields = fieldSelector?.map(({ field, value, negated }) => ({
    key: field,
    operator: negated ? "NotIn" : "In",
    values: [value],
  }));
  const labels = labelSelector?.flatMap(({ key, operator, values }) =>
    operator === "gt" || operator === "lt" ? [] : { key, operator: labelOperators[operator], values: [...values] },
  );
  return {
    ...(fields?.length ? { fieldSelector: { requirements: fields } } : {}),
    ...(labels?.length ? { labelSelector: { requirements: labels } } : {}),
  };
}

/** One untrue condition outweighs errors of others. */
function matching(
  conditions: readonly Expression[],
  spec: SubjectAccessReviewSpec,
): { matches: boolean; error?: unknown } {
  let failure: unknown;
  const value = { uid: "", extra: {}, ...spec };
  for (const condition of conditions) {
    try {
      if (condition(value) !== true) return { matches: false };
    } catch (error) {
      failure = error;
    }
  }
  return { matches: true, ...(failure === undefined ? {} : { error: failure }) };
}
