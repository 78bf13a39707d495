// The types of CEL: what the checker computes with and overloads are declared in.

export type TypeKind =
  | "bool"
  | "int"
  | "uint"
  | "double"
  | "string"
  | "bytes"
  | "null"
  | "dyn"
  | "timestamp"
  | "duration"
  | "type"
  | "list"
  | "map"
  | "optional"
  | "struct"
  | "opaque"
  | "param";

export interface Field {
  readonly type: Type;
  /** The field's name in JSON. */
  readonly json: string;
}

export interface Type {
  readonly kind: TypeKind;
  readonly name: string;
  /** Of lists, values of maps, and optionals. */
  readonly elem?: Type;
  readonly key?: Type;
  readonly fields?: ReadonlyMap<string, Field>;
  /** Most characters, elements or entries that a value can have, for cost estimates. */
  readonly max?: number;
  /** May also be null. */
  readonly nullable?: boolean;
  /** Lists that are compared and joined as sets, or as maps by these keys. */
  readonly setKeys?: readonly string[] | "set";
  /** The class of an opaque type's values. */
  readonly constructs?: Function;
}

const simple = (kind: TypeKind, name: string = kind): Type => ({ kind, name });

export const types = {
  bool: simple("bool"),
  int: simple("int"),
  uint: simple("uint"),
  double: simple("double"),
  string: simple("string"),
  bytes: simple("bytes"),
  null: simple("null"),
  dyn: simple("dyn"),
  timestamp: simple("timestamp"),
  duration: simple("duration"),
  type: simple("type"),
} as const;

export const listOf = (elem: Type): Type => ({ kind: "list", name: `list(${elem.name})`, elem });
export const mapOf = (key: Type, elem: Type): Type => ({
  kind: "map",
  name: `map(${key.name}, ${elem.name})`,
  key,
  elem,
});
export const optionalOf = (elem: Type): Type => ({ kind: "optional", name: `optional_type(${elem.name})`, elem });
export const structOf = (name: string, fields: ReadonlyMap<string, Field>): Type => ({ kind: "struct", name, fields });

/** A value of its own: `type(1)`, `int`. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export const isDyn = (type: Type): boolean => type.kind === "dyn";

/** True when only the value itself tells whether an operation fits. */
export const isLoose = (type: Type): boolean => type.kind === "dyn" || type.nullable === true;

export type Bindings = Map<string, Type>;

/** Whether a value of `from` may stand where `to` is wanted; type parameters of `to` are bound on the way. */
export function assignable(from: Type, to: Type, bindings: Bindings): boolean {
  if (to.kind === "param") {
    const bound = bindings.get(to.name);
    if (bound && !isDyn(bound)) return assignable(from, bound, bindings);
    bindings.set(to.name, from);
    return true;
  }
  if (isDyn(from) || isDyn(to)) return true;
  if (from.kind === "null") return to.kind === "null" || to.nullable === true || to.kind === "optional";
  if (to.kind === "null") return from.nullable === true;
  if (from.kind !== to.kind) return false;
  switch (from.kind) {
    case "list":
    case "optional":
      return assignable(from.elem!, to.elem!, bindings);
    case "map":
      return assignable(from.key!, to.key!, bindings) && assignable(from.elem!, to.elem!, bindings);
    case "struct":
    case "opaque":
      return from.name === to.name;
    default:
      return true;
  }
}

/** The type with its parameters replaced; those not bound are dyn. */
export function substitute(type: Type, bindings: Bindings): Type {
  if (type.kind === "param") return bindings.get(type.name) ?? types.dyn;
  if (!type.elem) return type;
  const elem = substitute(type.elem, bindings);
  if (type.kind === "list") return listOf(elem);
  return type.kind === "optional" ? optionalOf(elem) : mapOf(substitute(type.key!, bindings), elem);
}

export const hasParameter = (type: Type): boolean =>
  type.kind === "param" || (type.elem !== undefined && hasParameter(type.elem));

/** Reads a type as signatures write it: `list<string>`, `map<K, V>`; undefined when it is none. */
export function parseType(text: string, opaque: ReadonlyMap<string, Type>): Type | undefined {
  const trimmed = text.trim();
  const generic = /^(list|map|optional)<(.*)>$/.exec(trimmed);
  if (generic) {
    const parts = splitTop(generic[2]!).map((part) => parseType(part, opaque)!);
    if (generic[1] === "list") return listOf(parts[0]!);
    return generic[1] === "optional" ? optionalOf(parts[0]!) : mapOf(parts[0]!, parts[1]!);
  }
  if (/^[A-Z]$/.test(trimmed)) return simple("param", trimmed);
  if (trimmed === "list") return listOf(types.dyn);
  if (trimmed === "map") return mapOf(types.dyn, types.dyn);
  return Object.hasOwn(types, trimmed) ? types[trimmed as keyof typeof types] : opaque.get(trimmed);
}

/** Splits at commas outside of angle brackets. */
export function splitTop(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "<") depth++;
    else if (text[i] === ">") depth--;
    else if (text[i] === "," && depth === 0) {
      parts.push(text.slice(from, i));
      from = i + 1;
    }
  }
  if (text.slice(from).trim()) parts.push(text.slice(from));
  return parts;
}
