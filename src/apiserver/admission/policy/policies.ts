// The stored policies with their bindings, and which of them a request concerns.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/policy (generic/policy_matcher.go, matching/matching.go).
import { compilePolicy, type CompiledPolicy } from "../../../kinds/admissionregistration/expressions.ts";
import type {
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  NamedRuleWithOperations,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from "../../../kinds/generated/admissionregistration.v1.ts";
import { collectionOf } from "../../../kinds/kind.ts";
import type { AnyKind } from "../../../kinds/registry.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { selectorOf, type Selector } from "../../../machinery/selector.ts";
import type { Entry } from "../../../store/store.ts";
import type { AdmissionRequest, AdmissionWorld } from "../chain.ts";
import { ruleMatches } from "../webhook/hooks.ts";
import { selects, type Seen } from "../webhook/selection.ts";

export type Policy = ValidatingAdmissionPolicy | MutatingAdmissionPolicy;
export type Binding = ValidatingAdmissionPolicyBinding & MutatingAdmissionPolicyBinding;

/** Both sorts are stored under names of one form. */
export type PolicySort = "validating" | "mutating";

/** A policy or binding with the part of it that says what it is about. */
interface Matcher {
  readonly resources: MatchResources;
  /** Absent when they select everything. */
  readonly namespaceSelector: Selector | undefined;
  readonly objectSelector: Selector | undefined;
  /** The version of the request's kind that the rules are about, when they do not depend on names. */
  readonly kind?: AnyKind;
}

export interface Candidate {
  readonly policy: Policy;
  readonly name: string;
  readonly compiled: CompiledPolicy;
  readonly matcher: Matcher;
  readonly bindings: readonly { readonly binding: Binding; readonly name: string; readonly matcher: Matcher }[];
}

function matcherOf(resources: MatchResources = {}): Matcher {
  const demanding = (selector: MatchResources["objectSelector"]) => {
    const requirements = selectorOf(selector);
    return requirements?.length ? requirements : undefined;
  };
  return {
    resources,
    namespaceSelector: demanding(resources.namespaceSelector),
    objectSelector: demanding(resources.objectSelector),
  };
}

const excludedGroups = new Set(["authentication.k8s.io", "authorization.k8s.io"]);

/** What configures admission can always be taken away, and reviews are questions. */
const isExempt = ({ group, plural, virtual }: AnyKind) =>
  (group === "admissionregistration.k8s.io" && /^(validating|mutating)(webhook|admission)/.test(plural)) ||
  (virtual === true && excludedGroups.has(group));

function ruleApplies(rule: NamedRuleWithOperations, request: AdmissionRequest, kind: AnyKind): boolean {
  const { group, version, plural, namespaced } = kind;
  const { operation, subresource } = request;
  if (rule.resourceNames?.length && !rule.resourceNames.includes(request.name)) return false;
  return ruleMatches(rule, { operation, subresource, group, version, plural, namespaced });
}

/** The version of the request's kind that the rules are about; undefined when they are not about it at all. */
function kindFor({ resources }: Matcher, request: AdmissionRequest, { kinds }: AdmissionWorld): AnyKind | undefined {
  const { resourceRules = [], excludeResourceRules = [], matchPolicy } = resources;
  const collection = collectionOf(request.kind);
  const isAnother = (kind: AnyKind) => kind !== request.kind && collectionOf(kind) === collection;
  const versions = [request.kind, ...(matchPolicy === "Exact" ? [] : kinds.all().filter(isAnother))];
  const hit = (rules: readonly NamedRuleWithOperations[]) =>
    versions.find((kind) => rules.some((rule) => ruleApplies(rule, request, kind)));
  if (hit(excludeResourceRules)) return undefined;
  return resourceRules.length === 0 ? request.kind : hit(resourceRules);
}

const isNamed = ({ resources: { resourceRules = [], excludeResourceRules = [] } }: Matcher) =>
  [...resourceRules, ...excludeResourceRules].some((rule) => rule.resourceNames?.length);

/**
 * The version of the request's kind that a policy or binding asks for; undefined when it is not about this request.
 * Throws NotFound when the namespace is not there to be asked for its labels.
 */
export function matchedKind(
  matcher: Matcher,
  seen: Seen,
  request: AdmissionRequest,
  world: AdmissionWorld,
): AnyKind | undefined {
  if (matcher.namespaceSelector || matcher.objectSelector) {
    if (!selects(matcher, seen, request, world.store)) return undefined;
  }
  return matcher.kind ?? kindFor(matcher, request, world);
}

const none: readonly Candidate[] = [];

/** The policies of one sort. It reads the store when asked and keeps what it found out as long as nothing changes. */
class Policies {
  readonly #world: AdmissionWorld;
  readonly #sort: PolicySort;
  readonly #compiled = new WeakMap<KubeObject, Omit<Candidate, "bindings">>();
  readonly #found = new Map<string, readonly Candidate[]>();
  #policies: readonly Entry[] = [];
  #bindings: readonly Entry[] = [];
  #generation = -1;
  #all: readonly Candidate[] = none;

  constructor(world: AdmissionWorld, sort: PolicySort) {
    this.#world = world;
    this.#sort = sort;
  }

  /** Those whose rules may match, with the bindings whose rules may match. */
  matching(request: AdmissionRequest): readonly Candidate[] {
    const { store, kinds } = this.#world;
    const policies = store.list(`admissionregistration.k8s.io/${this.#sort}admissionpolicies`).entries;
    if (policies.length === 0) return none;
    const bindings = store.list(`admissionregistration.k8s.io/${this.#sort}admissionpolicybindings`).entries;
    if (policies !== this.#policies || bindings !== this.#bindings || kinds.generation !== this.#generation) {
      this.#rebuild(policies, bindings);
    }
    const { operation, kind, subresource } = request;
    const key = `${operation} ${kind.group}/${kind.version}/${kind.plural}/${subresource}`;
    let found = this.#found.get(key);
    if (!found) {
      found = isExempt(kind) ? none : this.#all.flatMap((candidate) => this.#narrowed(candidate, request));
      this.#found.set(key, found);
    }
    return found;
  }

  /** The candidate with what is known beforehand about requests of this sort; nothing when it is not about them. */
  #narrowed(candidate: Candidate, request: AdmissionRequest): Candidate[] {
    const matcher = this.#about(candidate.matcher, request);
    if (!matcher) return [];
    const bindings = candidate.bindings.flatMap((bound) => {
      const narrowed = this.#about(bound.matcher, request);
      return narrowed ? [{ ...bound, matcher: narrowed }] : [];
    });
    return bindings.length > 0 ? [{ ...candidate, matcher, bindings }] : [];
  }

  #about(matcher: Matcher, request: AdmissionRequest): Matcher | undefined {
    if (isNamed(matcher)) return matcher;
    const kind = kindFor(matcher, request, this.#world);
    return kind && { ...matcher, kind };
  }

  #rebuild(policies: readonly Entry[], bindings: readonly Entry[]): void {
    this.#policies = policies;
    this.#bindings = bindings;
    this.#generation = this.#world.kinds.generation;
    this.#found.clear();
    const byPolicy = Map.groupBy(bindings, ({ object }) => (object as unknown as Binding).spec?.policyName ?? "");
    this.#all = policies.flatMap(({ object }) => {
      const bound = byPolicy.get(object.metadata.name);
      if (!bound) return [];
      return {
        ...this.#parsed(object),
        bindings: bound.map((entry) => {
          const binding = entry.object as unknown as Binding;
          return { binding, name: entry.key.name, matcher: matcherOf(binding.spec?.matchResources) };
        }),
      };
    });
  }

  #parsed(object: KubeObject): Omit<Candidate, "bindings"> {
    let known = this.#compiled.get(object);
    if (!known) {
      const policy = object as unknown as Policy;
      const compiled = compilePolicy(policy.spec ?? {});
      const matcher = matcherOf(policy.spec?.matchConstraints);
      this.#compiled.set(object, (known = { policy, name: object.metadata.name, compiled, matcher }));
    }
    return known;
  }
}

const known = new WeakMap<AdmissionWorld, Readonly<Record<PolicySort, Policies>>>();

/** The policies of a sort that a request may concern: usually none, at the cost of a look at the store. */
export function policiesFor(sort: PolicySort, request: AdmissionRequest, world: AdmissionWorld): readonly Candidate[] {
  let both = known.get(world);
  if (!both) {
    known.set(
      world,
      (both = { validating: new Policies(world, "validating"), mutating: new Policies(world, "mutating") }),
    );
  }
  return both[sort].matching(request);
}
