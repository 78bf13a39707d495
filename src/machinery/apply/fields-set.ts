// Sets of fields in the FieldsV1 form of managedFields, and operations on them.
// Follows kubernetes v1.36 sigs.k8s.io/structured-merge-diff fieldpath (path elements, membership, text of paths).

/**
 * A node of a set of fields: path element (`f:name`, `k:{"name":"x"}`, `v:"x"`) → node. A node is itself a member of
 * the set when it has no children or a `.`. The empty set is `undefined`. Immutable.
 */
export interface Fields {
  readonly [element: string]: Fields;
}

const leaf: Fields = Object.freeze({});

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

export function unionOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b || a === b) return a ?? b;
  const children = childrenOf(a).map(([element, node]) => [element, unionOf(node, child(b, element))] as const);
  for (const entry of childrenOf(b)) if (!Object.hasOwn(a, entry[0])) children.push(entry);
  return fieldsNode(isMember(a) || isMember(b), children);
}

/** Members of `a` that are no members of `b`. */
export function differenceOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b) return a;
  const children = childrenOf(a).map(([element, node]) => [element, differenceOf(node, child(b, element))] as const);
  return fieldsNode(isMember(a) && !isMember(b), children);
}

export function intersectionOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b) return undefined;
  const children = childrenOf(a).map(([element, node]) => [element, intersectionOf(node, child(b, element))] as const);
  return fieldsNode(isMember(a) && isMember(b), children);
}

/** Members of `a` that are neither in `b` nor below a member of it. */
export function outsideOf(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
  if (!a || !b) return a;
  if (isMember(b)) return undefined;
  const children = childrenOf(a).map(([element, node]) => [element, outsideOf(node, child(b, element))] as const);
  return fieldsNode(isMember(a), children);
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
