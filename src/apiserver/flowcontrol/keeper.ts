// Keeps the objects of priority and fairness in order: the built-in ones are there and as they should be, and every FlowSchema
// says whether its priority level exists. Follows kubernetes v1.36 pkg/registry/flowcontrol (ensurer, Dangling condition).
import { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import type { Client } from "../../client/client.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { NewObject } from "../../machinery/object.ts";
import { bootstrapLevels, bootstrapSchemas, dangling, mustRestore } from "./bootstrap-objects.ts";

type Action =
  | { readonly type: "create"; readonly object: NewObject }
  | { readonly type: "update"; readonly object: FlowSchema | PriorityLevelConfiguration }
  | { readonly type: "status"; readonly object: FlowSchema };

/** What is out of order now. */
export function decideFlowObjects(
  schemas: readonly FlowSchema[],
  levels: readonly PriorityLevelConfiguration[],
  now: number,
): readonly Action[] {
  const actions: Action[] = [];
  for (const [wantedOnes, found] of [
    [bootstrapLevels, levels],
    [bootstrapSchemas, schemas],
  ] as const) {
    for (const wanted of wantedOnes) {
      const object = found.find(({ metadata }) => metadata.name === wanted.metadata.name);
      if (!object) actions.push({ type: "create", object: wanted });
      else if (mustRestore(wanted, object))
        actions.push({ type: "update", object: { ...object, spec: wanted.spec } as FlowSchema });
    }
  }
  const names = new Set(levels.map(({ metadata }) => metadata.name));
  for (const schema of schemas) {
    const level = schema.spec?.priorityLevelConfiguration?.name ?? "";
    const others = schema.status?.conditions?.filter(({ type }) => type !== "Dangling") ?? [];
    const before = schema.status?.conditions?.find(({ type }) => type === "Dangling");
    const status = names.has(level) ? "False" : "True";
    if (before?.status === status) continue;
    const conditions = [...others, dangling(level, status === "True", now)];
    actions.push({ type: "status", object: { ...schema, status: { ...schema.status, conditions } } });
  }
  return actions;
}

/** Watches until the signal aborts. What fails is tried again with the next change. */
export function keepFlowObjects(options: { client: Client; clock: Clock; log: Logger; signal: AbortSignal }): void {
  const { client, clock, log, signal } = options;
  const caches = { schemas: client.cache(FlowSchema), levels: client.cache(PriorityLevelConfiguration) };
  let scheduled = false;
  const perform = (action: Action): Promise<unknown> => {
    const kind = (action.object.kind === "FlowSchema" ? FlowSchema : PriorityLevelConfiguration) as typeof FlowSchema;
    const object = action.object as FlowSchema;
    if (action.type === "create") return client.create(kind, object);
    return action.type === "update" ? client.update(kind, object) : client.updateStatus(kind, object);
  };
  const look = async () => {
    scheduled = false;
    for (const action of decideFlowObjects(caches.schemas.list(), caches.levels.list(), clock.now())) {
      if (signal.aborted) return;
      try {
        await perform(action);
      } catch (error) {
        log.warn({ error, action: action.type, name: action.object.metadata.name }, "priority and fairness");
      }
    }
  };
  const changed = () => {
    if (scheduled || signal.aborted) return;
    scheduled = true;
    // One look for all that changes together.
    setImmediate(() => void look());
  };
  for (const cache of [caches.schemas, caches.levels]) {
    const unsubscribe = cache.onChange(changed);
    signal.addEventListener("abort", unsubscribe, { once: true });
  }
}
