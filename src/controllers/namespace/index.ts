// The namespace controller: empties namespaces that are being deleted. It asks the server, not caches, what is left,
// because what it overlooks would stay for ever without a namespace.
import { createEventRecorder } from "../../client/events.ts";
import { WorkQueue } from "../../client/work-queue.ts";
import { Namespace } from "../../kinds/index.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { isReason } from "../../machinery/errors.ts";
import { storedKinds, watchAllKinds } from "../framework/all-kinds.ts";
import type { Caches } from "../framework/controller.ts";
import { Performer } from "../framework/perform.ts";
import type { Environment } from "../framework/run.ts";
import { statusUpdate } from "../common/status.ts";
import {
  isLeaving,
  namespaceConditions,
  namespaceFinalizer,
  nextDeletions,
  type Content,
  type ContentElsewhere,
} from "./decide.ts";

export interface NamespaceOptions extends Environment {
  readonly kinds: KindRegistry;
  /** Has other API servers delete what they keep in a namespace; absent when there are none. */
  readonly emptyElsewhere?: (namespace: string) => Promise<ContentElsewhere>;
}

const nothing: ContentElsewhere = { remaining: new Map(), undiscovered: [], errors: [] };
/** Other servers tell nobody when something has gone. */
const retryMs = 5000;

/** Runs until the signal aborts; resolves when it watches all kinds. */
export async function runNamespaceController(environment: NamespaceOptions): Promise<void> {
  const { client, clock, kinds, signal, emptyElsewhere = async () => nothing } = environment;
  const name = "namespace-controller";
  const log = environment.log.child({ controller: name });
  const namespaces = client.cache(Namespace);
  const caches: Caches = { of: (kind) => client.cache(kind) };
  const performer = new Performer(client, caches, createEventRecorder(client, name, clock), environment);

  async function contentsOf(namespace: string): Promise<Content[]> {
    const contents: Content[] = [];
    for (const kind of storedKinds(kinds)) {
      if (!kind.namespaced) continue;
      const { items } = await client.list(kind, { namespace });
      if (items.length > 0) contents.push({ kind, objects: items });
    }
    return contents;
  }

  async function deleteContents({ kind, objects }: Content): Promise<string[]> {
    const results = await Promise.allSettled(
      objects.map(({ metadata: { name: object, namespace, uid } }) =>
        client.delete(
          kind,
          { name: object, namespace: namespace ?? "" },
          { propagationPolicy: "Background", preconditions: { uid } },
        ),
      ),
    );
    return results.flatMap((result) =>
      result.status === "rejected" && !isReason(result.reason, "NotFound", "Conflict") ? [String(result.reason)] : [],
    );
  }

  async function empty(key: string): Promise<number | undefined> {
    const namespace = namespaces.get(key);
    if (!namespace || !isLeaving(namespace)) return undefined;
    const errors: string[] = [];
    let contents = await contentsOf(key);
    for (
      let round = nextDeletions(contents);
      round.length > 0 && errors.length === 0;
      round = nextDeletions(contents)
    ) {
      for (const content of round) errors.push(...(await deleteContents(content)));
      contents = await contentsOf(key);
    }
    const elsewhere = await emptyElsewhere(key);
    const conditions = namespaceConditions(namespace, contents, elsewhere, errors, clock.now());
    const isElsewhere = elsewhere.remaining.size + elsewhere.undiscovered.length + elsewhere.errors.length > 0;
    if (contents.length > 0 || isElsewhere) {
      await performer.perform(statusUpdate(Namespace, namespace, { ...namespace.status, conditions }));
      return errors.length > 0 || isElsewhere ? retryMs : undefined;
    }
    const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== namespaceFinalizer);
    await client.createSubresource(Namespace, { name: key }, "finalize", {
      ...namespace,
      spec: { ...namespace.spec, finalizers },
    });
    return undefined;
  }

  const queue = new WorkQueue({
    clock,
    log,
    signal,
    work: (key) =>
      empty(key).catch((error: unknown) => {
        if (isReason(error, "NotFound")) return undefined;
        throw error;
      }),
  });
  await namespaces.synced;
  if (signal.aborted) return;
  const stop = namespaces.onChange(({ object }) => isLeaving(object) && queue.add(object.metadata.name));
  signal.addEventListener("abort", stop, { once: true });
  const wake = (kind: AnyKind, type: string, namespace: string | undefined) => {
    if (!kind.namespaced || type !== "DELETED" || namespace === undefined) return;
    const owner = namespaces.get(namespace);
    if (owner && isLeaving(owner)) queue.add(namespace);
  };
  await watchAllKinds({
    ...environment,
    onChange: (kind, { type, object }) => wake(kind, type, object.metadata.namespace),
  });
}
