// Label and field selectors of list, watch and deletecollection as one predicate over objects of a kind.
import type { AnyKind } from "../../kinds/registry.ts";
import { badRequest } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { parseFieldSelector, parseSelector, selectorMatches } from "../../machinery/selector.ts";
import type { FieldRequirement, Selector } from "../../machinery/selector.ts";

export interface Selection {
  /** True when everything matches. */
  readonly all: boolean;
  /** The one name or namespace that a field selector allows, for short cuts. */
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
  readonly fields?: readonly FieldRequirement[];
  readonly labels?: Selector;
  matches(object: KubeObject): boolean;
}

const everything: Selection = { all: true, matches: () => true };

/** Parses the selectors; throws BadRequest for bad syntax and for fields that the kind cannot select by. */
export function selectionOf(kind: AnyKind, labelSelector = "", fieldSelector = ""): Selection {
  if (labelSelector === "" && fieldSelector === "") return everything;
  const labels = parseSelector(labelSelector);
  const fields = parseFieldSelector(fieldSelector);
  const getters = fields.map(({ field }) => getterOf(kind, field));
  const exact = (field: string) => fields.find((one) => one.field === field && !one.negated)?.value;
  return {
    all: labels.length === 0 && fields.length === 0,
    name: exact("metadata.name"),
    namespace: exact("metadata.namespace"),
    ...(fields.length > 0 ? { fields } : {}),
    ...(labels.length > 0 ? { labels } : {}),
    matches: (object) =>
      selectorMatches(labels, object.metadata.labels) &&
      fields.every((requirement, i) => holds(requirement, getters[i]!(object))),
  };
}

const holds = ({ value, negated }: FieldRequirement, actual: string) => (actual === value) !== negated;

function getterOf(kind: AnyKind, field: string): (object: KubeObject) => string {
  if (field === "metadata.name") return (object) => object.metadata.name;
  if (field === "metadata.namespace") return (object) => object.metadata.namespace ?? "";
  const known = kind.selectableFields?.[field];
  if (known) return (object) => known(object) ?? "";
  throw badRequest(`field label not supported: ${field}`);
}
