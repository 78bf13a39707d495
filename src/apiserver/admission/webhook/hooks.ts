// The webhooks of all stored configurations, and which of them a request concerns by their rules.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/webhook (configuration, predicates/rules, generic/webhook.go).
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  RuleWithOperations,
  ValidatingWebhook,
} from "../../../kinds/generated/admissionregistration.v1.ts";
import { collectionOf } from "../../../kinds/kind.ts";
import type { AnyKind, KindRegistry } from "../../../kinds/registry.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import { selectorOf, type Selector } from "../../../machinery/selector.ts";
import type { Entry, Store } from "../../../store/store.ts";
import type { AdmissionRequest } from "../chain.ts";

export interface Hook {
  readonly configuration: string;
  /** Defaults are filled in. */
  readonly webhook: ValidatingWebhook & Pick<MutatingWebhook, "reinvocationPolicy">;
  /** Absent when they select everything. */
  readonly namespaceSelector: Selector | undefined;
  readonly objectSelector: Selector | undefined;
}

/** A webhook whose rules match. */
export interface Candidate {
  readonly hook: Hook;
  /** The version of the request's kind that the webhook asks for. */
  readonly kind: AnyKind;
}

/** What a rule looks at. */
export interface Place {
  readonly operation: string;
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly subresource: string;
  readonly namespaced: boolean;
}

const covers = (allowed: readonly string[] | undefined, value: string) =>
  allowed?.includes(value) === true || allowed?.includes("*") === true;

export function ruleMatches(rule: RuleWithOperations, place: Place): boolean {
  const { operations, apiGroups, apiVersions, resources = [], scope = "*" } = rule;
  if (scope !== "*" && (scope === "Namespaced") !== place.namespaced) return false;
  if (!covers(operations, place.operation) || !covers(apiGroups, place.group) || !covers(apiVersions, place.version))
    return false;
  return resources.some((text) => {
    const slash = text.indexOf("/");
    const [plural, subresource] = slash < 0 ? [text, ""] : [text.slice(0, slash), text.slice(slash + 1)];
    return (plural === "*" || plural === place.plural) && (subresource === "*" || subresource === place.subresource);
  });
}

/** Configurations of admission are never sent to anybody, so that a broken one can always be taken away. */
const isExempt = ({ group, plural }: AnyKind) =>
  group === "admissionregistration.k8s.io" && /^(validating|mutating)(webhook|admission)/.test(plural);

const none: readonly Candidate[] = [];

/** The webhooks of one sort. It reads the store when asked and keeps what it found out as long as nothing changes. */
export class Hooks {
  readonly #store: Pick<Store, "list">;
  readonly #kinds: KindRegistry;
  readonly #collection: string;
  readonly #parsed = new WeakMap<KubeObject, readonly Hook[]>();
  readonly #candidates = new Map<string, readonly Candidate[]>();
  #entries: readonly Entry[] = [];
  #hooks: readonly Hook[] = [];
  #generation = -1;

  constructor(store: Pick<Store, "list">, kinds: KindRegistry, plural: string) {
    this.#store = store;
    this.#kinds = kinds;
    this.#collection = `admissionregistration.k8s.io/${plural}`;
  }

  /** Those whose rules match, by the names of their configurations, then in the order they have there. */
  matching({ operation, kind, subresource }: AdmissionRequest): readonly Candidate[] {
    const { entries } = this.#store.list(this.#collection);
    if (entries.length === 0) return none;
    if (entries !== this.#entries || this.#generation !== this.#kinds.generation) this.#rebuild(entries);
    const key = `${operation} ${kind.group}/${kind.version}/${kind.plural}/${subresource}`;
    let found = this.#candidates.get(key);
    if (!found) {
      const candidates = isExempt(kind)
        ? none
        : this.#hooks.flatMap((hook) => candidateOf(hook, kind, { operation, subresource }, this.#kinds) ?? []);
      this.#candidates.set(key, (found = candidates));
    }
    return found;
  }

  #rebuild(entries: readonly Entry[]): void {
    this.#entries = entries;
    this.#generation = this.#kinds.generation;
    this.#candidates.clear();
    this.#hooks = entries.flatMap(({ object }) => {
      let hooks = this.#parsed.get(object);
      if (!hooks) this.#parsed.set(object, (hooks = hooksOf(object as MutatingWebhookConfiguration)));
      return hooks;
    });
  }
}

const hooksOf = ({ metadata, webhooks = [] }: MutatingWebhookConfiguration): Hook[] =>
  webhooks.map((webhook) => ({
    configuration: metadata.name,
    webhook,
    namespaceSelector: demanding(webhook.namespaceSelector),
    objectSelector: demanding(webhook.objectSelector),
  }));

function demanding(selector: MutatingWebhook["objectSelector"]): Selector | undefined {
  const requirements = selectorOf(selector);
  return requirements?.length ? requirements : undefined;
}

/** The first rule that matches decides; with the policy Equivalent also one for another version of the same objects. */
function candidateOf(
  hook: Hook,
  kind: AnyKind,
  request: Pick<Place, "operation" | "subresource">,
  kinds: KindRegistry,
): Candidate | undefined {
  const { rules = [], matchPolicy } = hook.webhook;
  const matches = (rule: RuleWithOperations, { group, version, plural, namespaced }: AnyKind) =>
    ruleMatches(rule, { ...request, group, version, plural, namespaced });
  if (rules.some((rule) => matches(rule, kind))) return { hook, kind };
  if (matchPolicy === "Exact") return undefined;
  const collection = collectionOf(kind);
  const others = kinds.all().filter((other) => other !== kind && collectionOf(other) === collection);
  for (const rule of rules) {
    const other = others.find((one) => matches(rule, one));
    if (other) return { hook, kind: other };
  }
  return undefined;
}
