// Writing status: only what changed, and conditions that keep their transition times.
import type { AnyKind } from "../../kinds/registry.ts";
import { formatTime } from "../../machinery/clock.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Action } from "../framework/controller.ts";

/** The write that gives the object this status; none when it has it already. */
export function statusUpdate<S>(kind: AnyKind, object: KubeObject & { status?: S }, status: S): Action[] {
  if (semanticEqual(object.status, status)) return [];
  return [{ type: "updateStatus", kind, object: { ...object, status } as KubeObject }];
}

export interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

type Conditions<C> = readonly C[] | undefined;

export const findCondition = <C extends Condition>(conditions: Conditions<C>, type: string): C | undefined =>
  conditions?.find((condition) => condition.type === type);

export const withoutCondition = <C extends Condition>(conditions: Conditions<C>, type: string): C[] =>
  (conditions ?? []).filter((condition) => condition.type !== type);

/**
 * The conditions with this one in: unchanged when its status and reason (and, if `compareMessage`, its message) are as
 * they were; the transition time moves only with the status.
 */
export function withCondition<C extends Condition>(
  conditions: Conditions<C>,
  next: Omit<C, "lastTransitionTime">,
  { now, compareMessage = false }: { readonly now: number; readonly compareMessage?: boolean },
): C[] {
  const { type, status, reason, message } = next as Condition;
  const known = findCondition(conditions, type);
  const same = known?.status === status && (known.reason ?? "") === (reason ?? "");
  if (same && (!compareMessage || known.message === message)) return [...(conditions ?? [])];
  const lastTransitionTime = known?.status === status ? known.lastTransitionTime : formatTime(now);
  const added = { ...next, lastTransitionTime } as C;
  if (!known) return [...(conditions ?? []), added];
  return (conditions ?? []).map((condition) => (condition === known ? added : condition));
}
