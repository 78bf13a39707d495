// Sends a pod's status to the API server: only changes, one request at a time, the latest wins.
import type { Client } from "../../client/client.ts";
import { Pod } from "../../kinds/core/pod.ts";
import type { PodCondition, PodStatus } from "../../kinds/generated/core.v1.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";

const removable = [
  "podIP",
  "podIPs",
  "reason",
  "message",
  "initContainerStatuses",
  "ephemeralContainerStatuses",
] as const;

/** A strategic merge patch that turns one status into the other; undefined when nothing differs. */
export function statusPatch(uid: string, before: PodStatus, after: PodStatus): object | undefined {
  const changed: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(after)) {
    if (key === "conditions" || deepEqual(before[key as keyof PodStatus], value)) continue;
    changed[key] = value;
  }
  for (const key of removable) if (before[key] !== undefined && after[key] === undefined) changed[key] = null;
  if (changed["podIPs"] && before.podIPs) changed["podIPs"] = [{ $patch: "replace" }, ...(after.podIPs ?? [])];
  const conditions = (after.conditions ?? []).filter(
    (condition) =>
      !deepEqual(
        before.conditions?.find(({ type }) => type === condition.type),
        condition,
      ),
  );
  if (conditions.length > 0)
    changed["conditions"] = conditions.map((condition) => withRemovals(condition, before.conditions));
  return Object.keys(changed).length > 0 ? { metadata: { uid }, status: changed } : undefined;
}

function withRemovals(condition: PodCondition, before: readonly PodCondition[] | undefined): object {
  const old = before?.find(({ type }) => type === condition.type);
  const nulls = (["reason", "message"] as const).filter(
    (key) => old?.[key] !== undefined && condition[key] === undefined,
  );
  return { ...condition, ...Object.fromEntries(nulls.map((key) => [key, null])) };
}

const retryMs = 1000;
const mostConflicts = 3;

export class StatusWriter {
  readonly #options: { readonly client: Client; readonly clock: Clock; readonly log: Logger };
  #written: PodStatus;
  #wanted: { pod: Pod; status: PodStatus } | undefined;
  #running: Promise<void> | undefined;
  #gone = false;

  constructor(options: { client: Client; clock: Clock; log: Logger }, initial: PodStatus) {
    this.#options = options;
    this.#written = initial;
  }

  /** The last status that the server is known to have. */
  get written(): PodStatus {
    return this.#written;
  }

  /** Notes what a watch brought: others write conditions too. */
  seen(status: PodStatus | undefined): void {
    if (!this.#running && status) this.#written = status;
  }

  write(pod: Pod, status: PodStatus): void {
    this.#wanted = { pod, status };
    this.#running ??= this.#send().finally(() => (this.#running = undefined));
  }

  /** Resolves when everything written so far has arrived or cannot arrive any more. */
  async flush(): Promise<void> {
    await this.#running;
  }

  async #send(): Promise<void> {
    const { client, clock, log } = this.#options;
    let conflicts = 0;
    while (this.#wanted && !this.#gone) {
      const { pod, status } = this.#wanted;
      this.#wanted = undefined;
      const patch = statusPatch(pod.metadata.uid, this.#written, status);
      if (!patch) continue;
      try {
        const { name, namespace } = pod.metadata;
        const target = namespace === undefined ? { name } : { name, namespace };
        const updated = await client.patch(Pod, target, "strategic", patch, { subresource: "status" });
        this.#written = updated.status ?? status;
      } catch (error) {
        // A pod of the same name but another uid answers Conflict every time.
        const hopeless = isReason(error, "Conflict") && ++conflicts > mostConflicts;
        if (hopeless || isReason(error, "NotFound", "Invalid")) {
          this.#gone = isReason(error, "NotFound");
          log.debug({ error, pod: pod.metadata.name }, "pod status was not taken");
        } else {
          this.#wanted ??= { pod, status };
          await sleep(clock, retryMs);
        }
      }
    }
  }
}
