// Review kinds are answered, not stored: who am I, whose token is this, may somebody do that.
// Follows kubernetes v1.36 pkg/registry/{authentication,authorization}.
import type { TokenReview } from "../../kinds/generated/authentication.v1.ts";
import type { ResourceAttributes, SubjectAccessReviewSpec } from "../../kinds/generated/authorization.v1.ts";
import { collectionOf } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import { badRequest, invalid, methodNotSupported } from "../../machinery/errors.ts";
import { invalidValue, required } from "../../machinery/field.ts";
import { parseFieldSelector, parseSelector, selectorOf } from "../../machinery/selector.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Entry } from "../../store/store.ts";
import { admitted } from "../special/admitted.ts";
import type { Attributes, RequestContext, UserInfo, WriteParameters } from "../types.ts";
import { authorize } from "./authorize.ts";
import { resourceOf } from "./core.ts";
import type { Core } from "./core.ts";
import { checkIdentity, decode } from "./decode.ts";
import { entryOf } from "./entries.ts";

interface ReviewRequest {
  readonly core: Core;
  readonly context: RequestContext;
  readonly kind: AnyKind;
  readonly draft: KubeObject & { spec?: Record<string, unknown> };
}

/** Returns the status; the spec comes back as it came in. */
const reviews: Readonly<Record<string, (request: ReviewRequest) => object | Promise<object>>> = {
  "authentication.k8s.io/selfsubjectreviews": ({ context }) => ({ userInfo: userInfo(context.user) }),
  "authentication.k8s.io/tokenreviews": ({ core, draft }) => reviewToken(core, draft as unknown as TokenReview),
  "authorization.k8s.io/selfsubjectaccessreviews": (request) =>
    decide(request, { ...request.context.user }, request.draft.spec as unknown as SubjectAccessReviewSpec),
  "authorization.k8s.io/subjectaccessreviews": (request) => decideFor(request, undefined),
  "authorization.k8s.io/localsubjectaccessreviews": (request) => decideFor(request, request.draft.metadata.namespace),
  "authorization.k8s.io/selfsubjectrulesreviews": ({ core, context, draft }) => {
    const namespace = draft.spec?.namespace as string | undefined;
    if (!namespace) throw badRequest("no namespace on request");
    const { resourceRules, nonResourceRules, incomplete } = core.authorizer.rulesFor(context.user, namespace);
    const evaluation = incomplete ? { evaluationError: incomplete } : {};
    return { resourceRules, nonResourceRules, incomplete: incomplete !== undefined, ...evaluation };
  },
};

/** Answers a POST of a review kind. Throws StatusError. */
export async function answerReview(
  core: Core,
  context: RequestContext,
  kind: AnyKind,
  namespace: string,
  body: KubeObject,
  parameters: WriteParameters,
): Promise<Entry> {
  const answer = reviews[`${kind.group}/${kind.plural}`];
  if (!answer) throw methodNotSupported(resourceOf(kind), "create");
  authorize(core.authorizer, context, kind, "create", { namespace });
  const decoded = decode(kind, body, context, parameters);
  checkIdentity(kind, decoded, namespace, "");
  const request = { context, kind, target: { namespace, name: "" }, subresource: "", parameters };
  const draft = await admitted(core, request, { operation: "CREATE", object: decoded });
  const status = await answer({ core, context, kind, draft });
  const key = { collection: collectionOf(kind), namespace, name: "" };
  return entryOf(key, { ...draft, status } as KubeObject, 0, 0);
}

/** As authentication.k8s.io and admission reviews show a user. */
export const userInfo = ({ name, uid, groups, extra }: UserInfo) => ({
  username: name,
  ...(uid ? { uid } : {}),
  ...(groups.length ? { groups: [...groups] } : {}),
  ...(extra && Object.keys(extra).length ? { extra } : {}),
});

async function reviewToken({ authentication }: Core, { spec }: TokenReview): Promise<object> {
  if (!spec?.token) throw badRequest("token is required for TokenReview in authentication");
  const audiences = spec.audiences?.length ? spec.audiences : (authentication?.audiences ?? []);
  try {
    const found = await authentication?.tokens.authenticateToken(spec.token, audiences);
    if (!found) return { user: {}, error: "invalid bearer token" };
    const common = audiences.filter((one) => found.audiences.includes(one));
    return { authenticated: true, user: userInfo(found.user), audiences: common };
  } catch (error) {
    return { user: {}, error: `[invalid bearer token, ${(error as Error).message}]` };
  }
}

/** SubjectAccessReview and its local twin: the user is in the spec. */
function decideFor(request: ReviewRequest, namespace: string | undefined): Promise<object> {
  const spec = request.draft.spec as unknown as SubjectAccessReviewSpec | undefined;
  const refuse = (field: string, value: unknown, text: string) =>
    invalid(request.kind, "", [invalidValue(field, value, text)]);
  if (!spec?.user && !spec?.groups?.length)
    throw refuse("spec.user", spec?.user ?? "", "at least one of user or group must be specified");
  if (namespace !== undefined && spec.resourceAttributes?.namespace !== namespace) {
    const text = `namespace mismatch: ${namespace}`;
    throw refuse("spec.resourceAttributes.namespace", spec.resourceAttributes?.namespace ?? "", text);
  }
  const user: UserInfo = {
    name: spec.user ?? "",
    groups: spec.groups ?? [],
    ...(spec.uid ? { uid: spec.uid } : {}),
    ...(spec.extra ? { extra: spec.extra } : {}),
  };
  return decide(request, user, spec);
}

async function decide(
  { core, kind }: ReviewRequest,
  user: UserInfo,
  spec: Pick<SubjectAccessReviewSpec, "resourceAttributes" | "nonResourceAttributes"> | undefined,
): Promise<object> {
  const resource = spec?.resourceAttributes;
  const other = spec?.nonResourceAttributes;
  if (Boolean(resource) === Boolean(other)) {
    const text = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
    throw invalid(kind, "", [invalidValue("spec.resourceAttributes", resource ?? null, text)]);
  }
  const { selectors, evaluationError } = selectorsIn(kind, resource);
  const attributes: Attributes = {
    user,
    verb: (resource ?? other)!.verb ?? "",
    group: resource?.group ?? "",
    version: resource?.version ?? "",
    resource: resource?.resource ?? "",
    subresource: resource?.subresource ?? "",
    namespace: resource?.namespace ?? "",
    name: resource?.name ?? "",
    ...(other ? { path: other.path ?? "" } : {}),
    ...selectors,
  };
  await core.authorizer.prepare?.(attributes);
  const { allowed, denied, reason } = core.authorizer.authorize(attributes);
  return {
    allowed,
    ...(denied ? { denied } : {}),
    ...(reason ? { reason } : {}),
    ...(evaluationError ? { evaluationError } : {}),
  };
}

/** Selectors that cannot be read count as none, which only makes an answer stricter. Throws Invalid for half-given ones. */
function selectorsIn(kind: AnyKind, { fieldSelector, labelSelector }: ResourceAttributes = {}) {
  const problems: string[] = [];
  const read = <T, R>(
    field: "fieldSelector" | "labelSelector",
    given: { rawSelector?: string; requirements?: T[] } | undefined,
    parse: (text: string) => R,
    convert: (requirements: T[]) => R,
  ): R | undefined => {
    if (!given) return undefined;
    const { rawSelector, requirements = [] } = given;
    const at = `spec.resourceAttributes.${field}`;
    if (rawSelector && requirements.length > 0) {
      const text = "may not be specified at the same time as requirements";
      throw invalid(kind, "", [invalidValue(`${at}.rawSelector`, rawSelector, text)]);
    }
    if (!rawSelector && requirements.length === 0) {
      throw invalid(kind, "", [
        required(`${at}.requirements`, `when ${field} is specified, requirements or rawSelector`),
      ]);
    }
    try {
      return rawSelector ? parse(rawSelector) : convert(requirements);
    } catch (error) {
      problems.push(`${at} ignored due to parse error: ${(error as Error).message}`);
      return undefined;
    }
  };
  const fields = read("fieldSelector", fieldSelector, parseFieldSelector, (all) =>
    all.map(({ key, operator, values = [] }) => {
      if (values.length !== 1 || !/^(Not)?In$/.test(operator)) throw new Error(`${operator} needs one value`);
      return { field: key, value: values[0]!, negated: operator === "NotIn" };
    }),
  );
  const labels = read("labelSelector", labelSelector, parseSelector, (all) => selectorOf({ matchExpressions: all })!);
  return {
    selectors: { ...(fields ? { fieldSelector: fields } : {}), ...(labels ? { labelSelector: labels } : {}) },
    evaluationError: problems.join("; "),
  };
}
