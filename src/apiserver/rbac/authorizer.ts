// Answers who may do what from the RBAC objects in the store: an index by subject that follows the store's events.
// Follows kubernetes v1.36 plugin/pkg/auth/authorizer/rbac.
import type { ClusterRole, PolicyRule, RoleBinding, RoleRef, Subject } from "../../kinds/generated/rbac.v1.ts";
import type { Entry, Store } from "../../store/store.ts";
import type { Attributes, Authorizer, Decision, UserInfo } from "../types.ts";
import { ruleAllows } from "./rules.ts";

const group = "rbac.authorization.k8s.io";

/** An Authorizer that also tells which rules a role reference or a user has. */
export interface RbacAuthorizer extends Authorizer {
  /** Rules of a Role or ClusterRole; undefined when it does not exist. */
  rulesOfRole(ref: Pick<RoleRef, "kind" | "name">, namespace: string): readonly PolicyRule[] | undefined;
  /** All rules that apply to the user in a namespace ("" for the cluster scope). */
  policyRulesFor(user: UserInfo, namespace: string): readonly PolicyRule[];
}

const superusers = "system:masters";
const everything: readonly PolicyRule[] = [
  { verbs: ["*"], apiGroups: ["*"], resources: ["*"] },
  { verbs: ["*"], nonResourceURLs: ["*"] },
];

export function createRbacAuthorizer(store: Store): RbacAuthorizer {
  let index: BindingIndex | undefined;
  const bindings = () => (index ??= openIndex(store));
  const role = (ref: Pick<RoleRef, "kind" | "name">, namespace: string) => {
    const inCluster = ref.kind === "ClusterRole";
    const collection = `${group}/${inCluster ? "clusterroles" : "roles"}`;
    const entry = store.get({ collection, namespace: inCluster ? "" : namespace, name: ref.name });
    return entry && ((entry.object as ClusterRole).rules ?? []);
  };
  function* rules(user: UserInfo, namespace: string): Generator<PolicyRule> {
    for (const scope of namespace ? ["", namespace] : [""]) {
      for (const ref of bindings().refsOf(user, scope)) yield* role(ref, scope) ?? [];
    }
  }
  const policyRulesFor = (user: UserInfo, namespace: string) =>
    user.groups.includes(superusers) ? everything : [...rules(user, namespace)];
  return {
    rulesOfRole: role,
    policyRulesFor,
    authorize(attributes: Attributes): Decision {
      if (attributes.user.groups.includes(superusers)) return { allowed: true, reason: "" };
      for (const rule of rules(attributes.user, attributes.namespace)) {
        if (ruleAllows(rule, attributes)) return { allowed: true, reason: "" };
      }
      return { allowed: false, reason: "" };
    },
    rulesFor(user, namespace) {
      const all = policyRulesFor(user, namespace);
      return {
        resourceRules: all
          .filter((rule) => rule.resources?.length)
          .map(({ verbs, apiGroups, resources, resourceNames }) => ({
            verbs,
            ...(apiGroups ? { apiGroups } : {}),
            ...(resources ? { resources } : {}),
            ...(resourceNames ? { resourceNames } : {}),
          })),
        nonResourceRules: all
          .filter((rule) => rule.nonResourceURLs?.length)
          .map(({ verbs, nonResourceURLs }) => ({ verbs, ...(nonResourceURLs ? { nonResourceURLs } : {}) })),
      };
    },
  };
}

/** Role references by namespace ("" for ClusterRoleBindings) and subject. */
class BindingIndex {
  readonly #scopes = new Map<string, Map<string, Map<string, RoleRef>>>();

  /** `change` is what the binding was and what it is now. */
  replace(previous: RoleBinding | undefined, next: RoleBinding | undefined): void {
    if (previous) this.#each(previous, (refs, name) => refs.delete(name));
    if (next) this.#each(next, (refs, name) => refs.set(name, next.roleRef));
  }

  *refsOf(user: UserInfo, scope: string): Generator<RoleRef> {
    const subjects = this.#scopes.get(scope);
    if (!subjects) return;
    for (const subject of [`User/${user.name}`, ...user.groups.map((name) => `Group/${name}`)]) {
      const refs = subjects.get(subject);
      if (refs) yield* refs.values();
    }
  }

  #each(binding: RoleBinding, act: (refs: Map<string, RoleRef>, name: string) => void): void {
    const scope = binding.metadata?.namespace ?? "";
    let subjects = this.#scopes.get(scope);
    if (!subjects) this.#scopes.set(scope, (subjects = new Map()));
    for (const subject of binding.subjects ?? []) {
      const id = subjectId(subject, scope);
      let refs = subjects.get(id);
      if (!refs) subjects.set(id, (refs = new Map()));
      act(refs, binding.metadata!.name!);
      if (refs.size === 0) subjects.delete(id);
    }
    if (subjects.size === 0) this.#scopes.delete(scope);
  }
}

const subjectId = ({ kind, name, namespace }: Subject, scope: string) =>
  kind === "ServiceAccount" ? `User/system:serviceaccount:${namespace ?? scope}:${name}` : `${kind}/${name}`;

function openIndex(store: Store): BindingIndex {
  const index = new BindingIndex();
  const bindingOf = (entry: Entry | undefined) => entry?.object as RoleBinding | undefined;
  for (const plural of ["clusterrolebindings", "rolebindings"]) {
    const collection = `${group}/${plural}`;
    const { entries, revision } = store.list(collection);
    for (const entry of entries) index.replace(undefined, bindingOf(entry));
    store.watch({ collection, after: revision }, (events) => {
      for (const { type, entry, previous } of events) {
        index.replace(bindingOf(previous), type === "DELETED" ? undefined : bindingOf(entry));
      }
    });
  }
  return index;
}
