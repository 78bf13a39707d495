// What a controller is: which objects wake it up, what it looks at, and a pure decision. run.ts does the rest.
import type { Cache, Change } from "../../client/client.ts";
import type { Kind } from "../../kinds/kind.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { StatusError } from "../../machinery/errors.ts";
import { controllerOf, keyOf, type KubeObject, type NewObject, type ObjectKey } from "../../machinery/object.ts";
import type { EventSubject } from "../../client/events.ts";

/** The shared caches, by kind. */
export interface Caches {
  of<T extends KubeObject>(kind: Kind<T>): Cache<T>;
}

/** One write, as data. Names come from the object; its uid is a precondition of deletions. */
export type Action =
  | {
      readonly type: "create";
      readonly kind: AnyKind;
      readonly object: NewObject;
      /** Tell the owner by events: SuccessfulCreate with the name, or FailedCreate with the error. */
      readonly announce?: EventSubject;
      /** What to do when the server refuses; performed before the error policy applies. */
      readonly onError?: (error: StatusError) => readonly Action[];
    }
  | { readonly type: "update" | "updateStatus"; readonly kind: AnyKind; readonly object: KubeObject }
  | {
      readonly type: "patch";
      readonly kind: AnyKind;
      readonly object: KubeObject;
      /** A JSON merge patch. The object's uid is added as a precondition. */
      readonly patch: Readonly<Record<string, unknown>>;
      readonly subresource?: string;
      /** Done only while this object lives and is not being deleted, as the server itself says. */
      readonly confirm?: { readonly kind: AnyKind; readonly object: KubeObject };
    }
  | {
      readonly type: "delete";
      readonly kind: AnyKind;
      readonly object: KubeObject;
      readonly propagationPolicy?: "Orphan" | "Background" | "Foreground";
      readonly gracePeriodSeconds?: number;
      readonly announce?: EventSubject;
    }
  | {
      readonly type: "event";
      readonly subject: EventSubject;
      readonly eventType: "Normal" | "Warning";
      readonly reason: string;
      readonly message: string;
    }
  /** Something outside the API; must be safe to do twice. */
  | { readonly type: "effect"; readonly run: () => Promise<void> };

export interface Plan {
  /**
   * In order; neighbouring creates (and neighbouring deletes) go out together. When one fails, what follows its group
   * is left for the next decision.
   */
  readonly actions: readonly Action[];
  /** Decide again after so long even if nothing changes. */
  readonly requeueAfterMs?: number | undefined;
}

export const nothing: Plan = { actions: [] };

export const event = (
  subject: EventSubject,
  eventType: "Normal" | "Warning",
  reason: string,
  message: string,
): Action => ({ type: "event", subject, eventType, reason, message });

/** Changes some fields of the status. */
export const patchStatus = (kind: AnyKind, object: KubeObject, status: object): Action => ({
  type: "patch",
  kind,
  object,
  patch: { status },
  subresource: "status",
});

/** An object of `kind` wakes up the keys that `keys` names, for its old and its new state. */
export interface Watch {
  readonly kind: AnyKind;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly keys: (object: any, caches: Caches, primary: AnyKind | undefined) => readonly ObjectKey[];
}

export interface Index {
  readonly kind: AnyKind;
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly valuesOf: (object: any) => readonly string[];
}

export interface Controller<Observed = unknown> {
  /** Source of events and logs, such as `replicaset-controller`. */
  readonly name: string;
  /** The kind whose keys are decided on; without it the watches name keys of their own. */
  readonly primary?: AnyKind;
  /** Which changes of primary objects wake it up; all, unless given. */
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly wakes?: (change: Change<any>) => boolean;
  readonly watches: readonly Watch[];
  /** Kinds that are looked at but wake nobody. */
  readonly reads?: readonly AnyKind[];
  readonly indexes?: readonly Index[];
  /** Reads the caches, or asks where they cannot tell; undefined means that there is nothing to decide. Must not write. */
  readonly observe: (key: ObjectKey, caches: Caches) => Observed | undefined | Promise<Observed | undefined>;
  /** Pure: the same observation at the same time gives the same plan. */
  readonly decide: (observed: Observed, now: number) => Plan;
}

/** Declares a controller; the observation's type is hidden, so that controllers of all kinds fit one list. */
export function defineController<Observed>(controller: Controller<Observed>): Controller {
  return controller as unknown as Controller;
}

/** Wakes up the controlling owner, if it is of the primary kind. */
export function owns(kind: AnyKind): Watch {
  return {
    kind,
    keys(object: KubeObject, _caches, primary) {
      const owner = controllerOf(object);
      if (!owner || !primary || owner.kind !== primary.kind || !owner.apiVersion.startsWith(primary.group)) return [];
      return [object.metadata.namespace ? `${object.metadata.namespace}/${owner.name}` : owner.name];
    },
  };
}

/** Wakes up whatever keys the function finds. */
export function maps<T extends KubeObject>(
  kind: Kind<T>,
  keys: (object: T, caches: Caches) => readonly ObjectKey[],
): Watch {
  return { kind, keys };
}

/** Wakes up the primary object with the same namespace and name. */
export const sameName = (kind: AnyKind): Watch => ({ kind, keys: (object: KubeObject) => [keyOf(object)] });
