// The shell around every controller: wakes it up when something it watches changes and has its plans performed.
import type { Client } from "../../client/client.ts";
import { createEventRecorder } from "../../client/events.ts";
import { WorkQueue } from "../../client/work-queue.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { keyOf, type KubeObject } from "../../machinery/object.ts";
import type { Caches, Controller } from "./controller.ts";
import { Performer } from "./perform.ts";

export interface Environment {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Runs the controller until the signal aborts. Resolves when it watches everything it needs. */
export async function runController(controller: Controller, environment: Environment): Promise<WorkQueue> {
  const { client, clock, signal } = environment;
  const log = environment.log.child({ controller: controller.name });
  const caches: Caches = { of: (kind) => client.cache(kind) };
  const performer = new Performer(client, caches, createEventRecorder(client, controller.name, clock), environment);
  const queue = new WorkQueue({
    clock,
    log,
    signal,
    async work(key) {
      const observed = await controller.observe(key, caches);
      if (observed === undefined) return;
      const plan = controller.decide(observed, clock.now());
      await performer.perform(plan.actions);
      return plan.requeueAfterMs;
    },
  });
  for (const { kind, name, valuesOf } of controller.indexes ?? []) caches.of(kind).addIndex(name, valuesOf);
  const { primary, reads = [], watches } = controller;
  const kinds = new Set<AnyKind>([...(primary ? [primary] : []), ...reads, ...watches.map(({ kind }) => kind)]);
  await Promise.all([...kinds].map((kind) => caches.of(kind).synced));
  if (!signal.aborted) subscribe(controller, caches, queue, signal);
  return queue;
}

function subscribe(controller: Controller, caches: Caches, queue: WorkQueue, signal: AbortSignal): void {
  const { primary, wakes } = controller;
  const stop = primary
    ? [caches.of(primary).onChange((change) => wakes?.(change) !== false && queue.add(keyOf(change.object)))]
    : [];
  for (const { kind, keys } of controller.watches) {
    const wake = (object: KubeObject) => {
      for (const key of keys(object, caches, primary)) queue.add(key);
    };
    stop.push(
      caches.of(kind).onChange(({ object, old }) => {
        if (old && old !== object) wake(old);
        wake(object);
      }),
    );
  }
  signal.addEventListener("abort", () => stop.forEach((unsubscribe) => unsubscribe()), { once: true });
}
