// Sets of fields in the FieldsV1 form of managedFields, and operations on them.
// Follows kubernetes v1.36 sigs.k8s.io/structured-merge-diff fieldpath (path elements, membership, text of paths).

/**
 * A node of a set of fields: path element (`f:name`, `k:{"name":"x"}`, `v:"x"`) → node. A node is itself a member of
 * the set when it has no children or a `.`. The empty set is `undefined`. Immutable.
 */
export interface Fields {
  readonly [element: string]: Fields;
}

/** A member without children. */
export const leaf: Fields = Object.freeze({});

/** A node with these children; undefined when it is no member and has no children. */
export function fieldsNode(
  member: boolean,
  children: Iterable<readonly [string, Fields | undefined]>,
): Fields | undefined {
  let out: Record<string, Fields> | undefined;
  for (const [element, child] of children) {
    if (!child) continue;
    out ??= member ? { ".": leaf } : {};
    out[element] = child;
  }
  return out ?? (member ? leaf : undefined);
}

/** True when the path that leads to this node is in the set. */
export function isMember(node: Fields): boolean {
  for (const _element in node) return "." in node;
  return true;
}

/** The child nodes, without the mark of membership. */
export const childrenOf = (node: Fields | undefined): [string, Fields][] =>
  node ? Object.entries(node).filter(([element]) => element !== ".") : [];

const child = (node: Fields | undefined, element: string): Fields | undefined =>
  node && Object.hasOwn(node, element) ? node[element] : undefined;

/** A node with its children replaced by what `change` makes of them; the node itself when that changes nothing. */
function rebuilt(
  node: Fields,
  member: boolean,
  change: (below: Fields, element: string) => Fields | undefined,
): Fields | undefined {
  let same = member === isMember(node);
  let out: Record<string, Fields> | undefined;
  for (const element in node) {
    if (element === ".") continue;
    const before = node[element]!;
    const after = change(before, element);
    if (after !== before) same = false;
    if (!after) continue;
    out ??= member ? { ".": leaf } : {};
    out[element] = after;
  }
  return same ? node : (out ?? (member ? leaf : undefined));
}

export function unionOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b || a === b) return a ?? b;
  let out: Record<string, Fields> | undefined;
  for (const element in b) {
    if (element === ".") continue;
    const mine = child(a, element);
    const merged = unionOf(mine, b[element])!;
    if (merged !== mine) (out ??= { ...a })[element] = merged;
  }
  const sum = out ?? a;
  const isMarked = out ? "." in out : isMember(a);
  return isMarked || !(isMember(a) || isMember(b)) ? sum : { ".": leaf, ...sum };
}

/** True when some path is a member of both. */
function overlap(a: Fields, b: Fields): boolean {
  if (isMember(a) && isMember(b)) return true;
  for (const element in b) {
    const mine = element === "." ? undefined : child(a, element);
    if (mine && overlap(mine, b[element]!)) return true;
  }
  return false;
}

/** Members of `a` that are no members of `b`. */
export function differenceOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  // Most managers own nothing of what a write changes, and `b` is mostly small.
  if (!a || !b || !overlap(a, b)) return a;
  return rebuilt(a, isMember(a) && !isMember(b), (below, element) => differenceOf(below, child(b, element)));
}

export function intersectionOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b || !overlap(a, b)) return undefined;
  return rebuilt(a, isMember(a) && isMember(b), (below, element) => intersectionOf(below, child(b, element)));
}

/** Members of `a` that are neither in `b` nor below a member of it. */
export function outsideOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b) return a;
  if (isMember(b)) return undefined;
  return rebuilt(a, isMember(a), (below, element) => outsideOf(below, child(b, element)));
}

function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith("f:")) return `.${rest}`;
  if (element.startsWith("v:")) return `[=${rest}]`;
  if (element.startsWith("i:")) return `[${rest}]`;
  const keys = JSON.parse(rest) as Record<string, unknown>;
  return `[${Object.entries(keys)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join(",")}]`;
}

/** The members as texts such as `.spec.containers[name="a"].image`. */
export function pathsOf(node: Fields | undefined, prefix = ""): string[] {
  return childrenOf(node).flatMap(([element, below]) => {
    const path = prefix + elementText(element);
    return [...(isMember(below) ? [path] : []), ...pathsOf(below, path)];
  });
}

/** A `fieldsV1` value as a set; what is no object counts as empty. */
export function fieldsFrom(value: unknown): Fields | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.keys(value).length > 0 ? (value as Fields) : undefined;
}
