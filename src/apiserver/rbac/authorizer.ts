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
  let index: RuleIndex | undefined;
  const rules = () => (index ??= openIndex(store));
  const scopes = (namespace: string) => (namespace ? ["", namespace] : [""]);
  const policyRulesFor = (user: UserInfo, namespace: string) =>
    user.groups.includes(superusers)
      ? everything
      : scopes(namespace).flatMap((scope) =>
          rules()
            .listsOf(user, scope)
            .flat()
            .map(({ rule }) => rule),
        );
  return {
    rulesOfRole: (ref, namespace) => rulesOfRole(store, ref, namespace),
    policyRulesFor,
    authorize(attributes: Attributes): Decision {
      const { user, namespace } = attributes;
      if (user.groups.includes(superusers)) return allowed;
      const index = rules();
      return index.decide(attributes, "") ?? (namespace ? index.decide(attributes, namespace) : undefined) ?? noOpinion;
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

const allowed: Decision = { allowed: true, reason: "" };
const noOpinion: Decision = { allowed: false, reason: "" };
const none: readonly never[] = [];

function rulesOfRole(store: Store, { kind, name }: Pick<RoleRef, "kind" | "name">, namespace: string) {
  const inCluster = kind === "ClusterRole";
  const collection = `${group}/${inCluster ? "clusterroles" : "roles"}`;
  const entry = store.get({ collection, namespace: inCluster ? "" : namespace, name });
  return entry && ((entry.object as ClusterRole).rules ?? []);
}

/** What one binding gives one of its subjects. */
interface Grant {
  readonly role: RoleRef;
  readonly decision: Decision;
}

function grantOf({ metadata, roleRef }: RoleBinding, { kind, name, namespace }: Subject): Grant {
  const scope = metadata?.namespace;
  const binding = scope ? `RoleBinding "${metadata.name}/${scope}"` : `ClusterRoleBinding "${metadata?.name}"`;
  const subject = kind === "ServiceAccount" ? `${name}/${namespace ?? scope}` : name;
  const reason = `RBAC: allowed by ${binding} of ${roleRef.kind} "${roleRef.name}" to ${kind} "${subject}"`;
  return { role: roleRef, decision: { allowed: true, reason } };
}

interface GrantedRule {
  readonly rule: PolicyRule;
  readonly decision: Decision;
}

/** Role references by namespace ("" for ClusterRoleBindings) and subject, and the rules that they come to. */
class RuleIndex {
  readonly #store: Store;
  readonly #scopes = new Map<string, Map<string, Map<string, Grant>>>();
  /** Of the subjects that have asked since the last change of anything. */
  readonly #lists = new Map<Map<string, Grant>, readonly GrantedRule[]>();
  /** The same by user and scope: most users are one object for all requests of a connection. */
  #users = new WeakMap<UserInfo, Map<string, readonly (readonly GrantedRule[])[]>>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** What the binding was and what it is now. */
  replace(previous: RoleBinding | undefined, next: RoleBinding | undefined): void {
    if (previous) this.#each(previous, (grants, name) => grants.delete(name));
    if (next) this.#each(next, (grants, name, subject) => grants.set(name, grantOf(next, subject)));
  }

  /** To be called after any change of roles or bindings. */
  changed(): void {
    this.#lists.clear();
    this.#users = new WeakMap();
  }

  /** What the first rule of the scope that allows it says; undefined when none does. */
  decide(attributes: Attributes, scope: string): Decision | undefined {
    // Loops, no callbacks: every request comes here.
    for (const list of this.listsOf(attributes.user, scope)) {
      for (const { rule, decision } of list) if (ruleAllows(rule, attributes)) return decision;
    }
    return undefined;
  }

  /** The rules of the user and of each group. */
  listsOf(user: UserInfo, scope: string): readonly (readonly GrantedRule[])[] {
    const subjects = this.#scopes.get(scope);
    if (!subjects) return none;
    let scopes = this.#users.get(user);
    if (!scopes) this.#users.set(user, (scopes = new Map()));
    let lists = scopes.get(scope);
    if (!lists) {
      const ids = [`User/${user.name}`, ...user.groups.map((name) => `Group/${name}`)];
      const grants = ids.flatMap((id) => subjects.get(id) ?? []);
      scopes.set(scope, (lists = grants.map((one) => this.#listOf(one, scope))));
    }
    return lists;
  }

  /** Each rule once, however many roles say the same. */
  #listOf(grants: Map<string, Grant>, scope: string): readonly GrantedRule[] {
    let list = this.#lists.get(grants);
    if (list) return list;
    const distinct = new Map<string, GrantedRule>();
    for (const { role, decision } of grants.values()) {
      for (const rule of rulesOfRole(this.#store, role, scope) ?? []) {
        const text = JSON.stringify(rule);
        if (!distinct.has(text)) distinct.set(text, { rule, decision });
      }
    }
    list = [...distinct.values()];
    this.#lists.set(grants, list);
    return list;
  }

  #each(binding: RoleBinding, act: (grants: Map<string, Grant>, name: string, subject: Subject) => void): void {
    const scope = binding.metadata?.namespace ?? "";
    let subjects = this.#scopes.get(scope);
    if (!subjects) this.#scopes.set(scope, (subjects = new Map()));
    for (const subject of binding.subjects ?? []) {
      const id = subjectId(subject, scope);
      let grants = subjects.get(id);
      if (!grants) subjects.set(id, (grants = new Map()));
      act(grants, binding.metadata!.name!, subject);
      if (grants.size === 0) subjects.delete(id);
    }
    if (subjects.size === 0) this.#scopes.delete(scope);
  }
}

const subjectId = ({ kind, name, namespace }: Subject, scope: string) =>
  kind === "ServiceAccount" ? `User/system:serviceaccount:${namespace ?? scope}:${name}` : `${kind}/${name}`;

function openIndex(store: Store): RuleIndex {
  const index = new RuleIndex(store);
  const bindingOf = (entry: Entry | undefined) => entry?.object as RoleBinding | undefined;
  for (const plural of ["clusterrolebindings", "rolebindings"]) {
    const collection = `${group}/${plural}`;
    const { entries, revision } = store.list(collection);
    for (const entry of entries) index.replace(undefined, bindingOf(entry));
    store.watch({ collection, after: revision }, (events) => {
      for (const { type, entry, previous } of events) {
        index.replace(bindingOf(previous), type === "DELETED" ? undefined : bindingOf(entry));
      }
      index.changed();
    });
  }
  for (const plural of ["clusterroles", "roles"]) {
    store.watch({ collection: `${group}/${plural}`, after: store.revision }, () => index.changed());
  }
  return index;
}
