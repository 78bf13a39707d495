// What a kind is, as data. One value of this type per kind is the only place that knows the kind: routes, discovery,
// storage, OpenAPI, Table output, RBAC names and clients derive from it.
import type { FieldError } from "../machinery/errors.ts";
import type { TypedSchema } from "../machinery/apply/typed.ts";
import type { KubeObject } from "../machinery/object.ts";
import type { Awaitable } from "../machinery/turn.ts";
import type { JSONSchemaProps } from "./generated/apiextensions.v1.ts";
import type { Decoded } from "./schema.ts";

export type Verb = "create" | "delete" | "deletecollection" | "get" | "list" | "patch" | "update" | "watch";

/** A printed column. `value` sees the object and the current time (epoch milliseconds) and returns the cell. */
export interface Column<T extends KubeObject> {
  readonly name: string;
  readonly type: "string" | "integer" | "number" | "boolean" | "date";
  readonly format?: string;
  readonly description?: string;
  /** 0 is always shown, 1 only with `-o wide`. */
  readonly priority?: number;
  readonly value: (object: T, now: number) => string | number | boolean | null | undefined;
}

/** How names of a kind must look: RFC 1123 subdomain, RFC 1123 label, RFC 1035 label, or any single path segment. */
export type NameRule = "subdomain" | "label" | "label1035" | "pathSegment";

export interface Scale {
  readonly specReplicas: number;
  readonly statusReplicas: number;
  /** The label selector of the pods, in text form. */
  readonly selector: string;
}

export interface Subresources<T extends KubeObject> {
  /** `/status`: an update there changes only status (and metadata as upstream allows); elsewhere status is kept. */
  readonly status?: boolean;
  /** `/scale` as autoscaling/v1 Scale. */
  readonly scale?: { readonly get: (object: T) => Scale; readonly set: (draft: T, replicas: number) => void };
  /** Names of further subresources, each served by a row in the API server's table of special subresources. */
  readonly special?: readonly string[];
}

export interface ForeignConversion {
  readonly isReady: (stored: KubeObject) => boolean;
  /** Gets stored objects ready to be seen. Throws StatusError. */
  readonly prepare: (stored: readonly KubeObject[]) => Promise<void>;
  /** Gets an object ready to be stored. Throws StatusError. */
  readonly prepareStored: (object: KubeObject) => Promise<void>;
}

export interface CustomResource<T extends KubeObject> {
  /** Takes away what the schema does not declare; the input is not written to. */
  readonly decode: (value: unknown) => Decoded;
  readonly applySchema: TypedSchema;
  readonly schema: JSONSchemaProps;
  /** Everything wrong with a new object, or an update of it, its status or scale; stands for all other validate functions. */
  readonly validate: (object: T, old?: T) => Awaitable<readonly FieldError[]>;
  /** Sent with every answer in a version that will go. */
  readonly deprecationWarning?: string;
}

export interface Kind<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs: readonly Verb[];
  /** Name of the type in the schema table, for example `core.v1.Pod`. */
  readonly schema: string;
  readonly nameRule: NameRule;
  readonly subresources?: Subresources<T>;
  /** Field selectors beyond metadata.name and metadata.namespace. */
  readonly selectableFields?: Readonly<Record<string, (object: T) => string>>;
  readonly columns?: readonly Column<T>[];
  /** Set for kinds whose spec changes raise metadata.generation. */
  readonly hasGeneration?: boolean;
  /** Review kinds are answered, not stored (TokenReview, SubjectAccessReview …). */
  readonly virtual?: boolean;
  /** What holds the objects when it is not this kind's own: another version of the same kind. */
  readonly storage?: {
    readonly group: string;
    readonly version: string;
    readonly plural: string;
    readonly fromStored: (stored: KubeObject) => T;
    readonly toStored: (object: T) => KubeObject;
    /** Set when another party converts. Until an object is ready, the two above only rename its version. */
    readonly foreign?: ForeignConversion;
  };
  /** Set for kinds that CustomResourceDefinitions add: what the schema table tells about all others. */
  readonly custom?: CustomResource<T>;
  /**
   * Set for kinds of which there are many that are alike. Parts of a draft that equal those of its last version or its
   * sibling become those very parts before it is validated: nobody writes to them from then on.
   */
  readonly manyAlike?: boolean;
  /** An object counts as being in the namespace of its own name, so that a RoleBinding there can allow to read it. */
  readonly isNamespace?: boolean;
  /** Dependents stay when a deletion says nothing of them; the warning, if any, is sent then. */
  readonly dependentsStay?: { readonly warning?: string };
  /** Put on an object when its deletion begins; whoever takes it off has done what must be done before it goes. */
  readonly cleanupFinalizer?: string;

  // The functions below get a private draft that they may write to; each is pure otherwise.

  /** Fills absent fields as upstream defaults them; applying it twice changes nothing more. */
  readonly defaults?: (draft: T) => void;
  /** Drops what a client may not set on create and fills what only the server sets. */
  readonly prepareForCreate?: (draft: T) => void;
  /** The same for update through the main resource; `old` is the stored object. Status is already kept by then. */
  readonly prepareForUpdate?: (draft: T, old: T) => void;
  /**
   * Everything wrong with a new object, metadata aside (the server checks that for all kinds). Of `known`, an object that
   * was found good before, the parts that are the very same need no second look.
   */
  readonly validate?: (object: T, known?: T) => readonly FieldError[];
  /** What is wrong with the change itself (immutable fields); `validate` runs as well. */
  readonly validateUpdate?: (object: T, old: T) => readonly FieldError[];
  /** What is wrong with a change through a special subresource, by its name; `validate` runs as well. */
  readonly validateSubresourceUpdate?: Readonly<Record<string, (object: T, old: T) => readonly FieldError[]>>;
  /** What is wrong with a change of status; neither `validate` nor `validateUpdate` run then. */
  readonly validateStatusUpdate?: (object: T, old: T) => readonly FieldError[];
  /** Warnings to send with a create or update. */
  readonly warnings?: (object: T) => readonly string[];
  /**
   * What an update says besides that the object is alive. One that says no more is visible and watched like all others, but
   * not worth a disk write.
   */
  readonly withoutHeartbeat?: (object: T) => unknown;
  /** What a deletion makes of an object at `now`, in milliseconds, for kinds that do not go by grace and finalizers alone. */
  readonly deletion?: (object: T, now: number) => T | "nothing" | "remove";
  /** Grace period of a deletion in seconds; undefined or 0 deletes at once. `requested` comes from the client. */
  readonly deletionGraceSeconds?: (object: T, requested: number | undefined) => number;
}

/** The verbs of an ordinary stored kind. */
export const allVerbs: readonly Verb[] = [
  "create",
  "delete",
  "deletecollection",
  "get",
  "list",
  "patch",
  "update",
  "watch",
];

/** The usual plural: `Ingress` → `ingresses`, `NetworkPolicy` → `networkpolicies`, `Pod` → `pods`. */
function pluralOf(kind: string): string {
  const singular = kind.toLowerCase();
  if (/[^aeiou]y$/.test(singular)) return `${singular.slice(0, -1)}ies`;
  return /(s|x|ch|sh)$/.test(singular) ? `${singular}es` : `${singular}s`;
}

/**
 * Declares the kind of `apiVersion` (`v1`, `apps/v1`) and name; what is not given gets the usual value. `module` of the
 * schema name is derived from group and version.
 */
export function defineKind<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  rest: Partial<Kind<T>> = {},
): Kind<T> {
  const [version = "", group = ""] = apiVersion.split("/").toReversed();
  return {
    group,
    version,
    kind,
    plural: pluralOf(kind),
    singular: kind.toLowerCase(),
    namespaced: true,
    verbs: allVerbs,
    schema: `${group.split(".")[0] || "core"}.${version}.${kind}`,
    nameRule: "subdomain",
    ...rest,
  };
}

/** A kind that is answered, not stored; of the cluster unless `rest` says otherwise. */
export const defineReview = <T extends KubeObject>(apiVersion: string, kind: string, rest: Partial<Kind<T>> = {}) =>
  defineKind<T>(apiVersion, kind, { namespaced: false, virtual: true, verbs: ["create"], ...rest });

/** For kinds whose status the server alone begins: what it is at first, whatever the client sent. */
export const statusAtFirst =
  <T extends KubeObject & { status?: object }>(status: NonNullable<T["status"]>) =>
  (draft: T): void => {
    draft.status = structuredClone(status);
  };

/** `v1` or `apps/v1`. */
export const apiVersionOf = (kind: { group: string; version: string }): string =>
  kind.group ? `${kind.group}/${kind.version}` : kind.version;

const collections = new WeakMap<object, string>();

/** The name of what holds the objects of a kind; the same string each time, as every stored object has it in its key. */
export function collectionOf(kind: Pick<Kind, "group" | "plural" | "storage">): string {
  let name = collections.get(kind);
  if (name === undefined) {
    const { group, plural } = kind.storage ?? kind;
    collections.set(kind, (name = `${group}/${plural}`));
  }
  return name;
}
