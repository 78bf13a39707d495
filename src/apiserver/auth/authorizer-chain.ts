// Several authorizers as one: the first that allows or denies decides.
// Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/authorization/union.
import type { Attributes, Authorizer, Decision, UserInfo } from "../types.ts";

export interface BuiltInAuthorizers {
  readonly Node: Authorizer;
  readonly RBAC: Authorizer;
}

/** Puts the built-in authorizers into an order, with others. */
export type AuthorizationOrder = (builtIn: BuiltInAuthorizers) => Authorizer;

type Rules = ReturnType<Authorizer["rulesFor"]>;

export function authorizerChain(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize(attributes): Decision {
      let reasons = "";
      for (const authorizer of authorizers) {
        const decision = authorizer.authorize(attributes);
        if (decision.allowed || decision.denied) return decision;
        if (decision.reason) reasons += reasons ? `\n${decision.reason}` : decision.reason;
      }
      return { allowed: false, reason: reasons };
    },
    prepare: authorizers.some(({ prepare }) => prepare)
      ? (attributes) => prepareFrom(authorizers, 0, attributes)
      : undefined,
    rulesFor: (user, namespace) => mergedRules(authorizers, user, namespace),
  };
}

/** Prepares one authorizer after the other, and none behind the one that decides. */
function prepareFrom(
  authorizers: readonly Authorizer[],
  from: number,
  attributes: Attributes,
): Promise<void> | undefined {
  for (const [at, authorizer] of authorizers.entries()) {
    if (at < from) continue;
    const decides = () => {
      const { allowed, denied } = authorizer.authorize(attributes);
      return allowed || denied === true;
    };
    const prepared = authorizer.prepare?.(attributes);
    if (prepared) {
      return prepared.then(() => (decides() ? undefined : prepareFrom(authorizers, at + 1, attributes)));
    }
    if (at < authorizers.length - 1 && decides()) return undefined;
  }
  return undefined;
}

function mergedRules(authorizers: readonly Authorizer[], user: UserInfo, namespace: string): Rules {
  const all = authorizers.map((authorizer) => authorizer.rulesFor(user, namespace));
  const incomplete = all.flatMap((rules) => rules.incomplete ?? []).join(", ");
  return {
    resourceRules: all.flatMap(({ resourceRules }) => resourceRules),
    nonResourceRules: all.flatMap(({ nonResourceRules }) => nonResourceRules),
    ...(incomplete ? { incomplete } : {}),
  };
}
