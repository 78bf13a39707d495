// Which of the names that a CustomResourceDefinition asks for it gets, and the conditions that say so.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/controller/status/naming_controller.go.
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
  CustomResourceDefinitionNames,
} from "../../kinds/generated/apiextensions.v1.ts";

/** Names in use in a group by all but the definition in question. */
export interface TakenNames {
  /** Plurals, singulars and short names. */
  readonly resources: ReadonlySet<string>;
  /** Kinds and kinds of lists. */
  readonly kinds: ReadonlySet<string>;
}

export interface NameDecision {
  readonly accepted: CustomResourceDefinitionNames;
  /** NamesAccepted and Established, without times. */
  readonly conditions: readonly CustomResourceDefinitionCondition[];
  /** Whether the kind is to be served. */
  readonly established: boolean;
}

const noNames: CustomResourceDefinitionNames = { plural: "", kind: "" };

const isConditionTrue = (definition: CustomResourceDefinition, type: string): boolean =>
  definition.status?.conditions?.some((condition) => condition.type === type && condition.status === "True") ?? false;

/** A definition keeps the names that it has (`before`); a new one is not in use by others, or it stays as it was. */
export function decideNames(
  definition: CustomResourceDefinition,
  before: CustomResourceDefinitionNames | undefined,
  taken: TakenNames,
): NameDecision {
  const asked = definition.spec.names;
  const accepted: CustomResourceDefinitionNames = { ...(before ?? noNames) };
  let conflict: { reason: string; message: string } | undefined;
  const settle = (name: "plural" | "singular" | "kind" | "listKind", pool: ReadonlySet<string>, reason: string) => {
    const wanted = asked[name] ?? "";
    if (wanted === "" || wanted === before?.[name] || !pool.has(wanted)) accepted[name] = wanted;
    else conflict = { reason, message: inUse(wanted) };
  };
  settle("plural", taken.resources, "PluralConflict");
  settle("singular", taken.resources, "SingularConflict");
  const refused = (asked.shortNames ?? []).filter(
    (name) => !before?.shortNames?.includes(name) && taken.resources.has(name),
  );
  if (refused.length > 0) conflict = { reason: "ShortNamesConflict", message: refused.map(inUse).join(", ") };
  else setList(accepted, "shortNames", asked.shortNames);
  settle("kind", taken.kinds, "KindConflict");
  settle("listKind", taken.kinds, "ListKindConflict");
  setList(accepted, "categories", asked.categories);

  const established = isConditionTrue(definition, "Established") || conflict === undefined;
  return {
    accepted,
    established,
    conditions: [
      conflict
        ? { type: "NamesAccepted", status: "False", ...conflict }
        : { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" },
      established
        ? {
            type: "Established",
            status: "True",
            reason: "InitialNamesAccepted",
            message: "the initial names have been accepted",
          }
        : { type: "Established", status: "False", reason: "NotAccepted", message: "not all names are accepted" },
    ],
  };
}

const inUse = (name: string) => `${JSON.stringify(name)} is already in use`;

function setList(
  names: CustomResourceDefinitionNames,
  key: "shortNames" | "categories",
  list: string[] | undefined,
): void {
  if (list?.length) names[key] = list;
  else delete names[key];
}

/** All names of some resources, taken together. */
export function takenBy(all: Iterable<Partial<CustomResourceDefinitionNames>>): TakenNames {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { plural, singular, shortNames = [], kind, listKind } of all) {
    for (const name of [plural, singular, ...shortNames]) if (name) resources.add(name);
    for (const name of [kind, listKind]) if (name) kinds.add(name);
  }
  return { resources, kinds };
}

/** The conditions with some of them replaced; times change only where the status does. */
export function withConditions(
  before: readonly CustomResourceDefinitionCondition[],
  next: readonly CustomResourceDefinitionCondition[],
  now: string,
): CustomResourceDefinitionCondition[] {
  const out = [...before];
  for (const condition of next) {
    const at = out.findIndex(({ type }) => type === condition.type);
    const old = out[at];
    const lastTransitionTime =
      old?.status === condition.status && old.lastTransitionTime ? old.lastTransitionTime : now;
    const made = { lastTransitionTime, ...condition };
    if (at < 0) out.push(made);
    else out[at] = made;
  }
  return out;
}
