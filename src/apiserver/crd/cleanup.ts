// A CustomResourceDefinition that is deleted takes its objects along: they go first, then its finalizer, then it.
// Follows kubernetes v1.36 apiextensions-apiserver/pkg/controller/finalizer/crd_finalizer.go.
import { customKind } from "../../kinds/custom/kind.ts";
import { CustomResourceDefinition as definitionKind } from "../../kinds/apiextensions/custom-resource-definition.ts";
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
} from "../../kinds/generated/apiextensions.v1.ts";
import { collectionOf, type Kind } from "../../kinds/kind.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import { StoreError, type Entry, type Store, type Subscription } from "../../store/store.ts";
import type { NameDecision } from "./names.ts";

export type RemoveObject = (kind: Kind, entry: Entry) => Promise<unknown>;

export interface Cleanup {
  /** Begins to delete the objects of a definition; asked again, it goes on. */
  begin(definition: CustomResourceDefinition, decision: NameDecision): void;
  end(name: string): void;
  /** What its status says about it. */
  conditions(definition: CustomResourceDefinition): readonly CustomResourceDefinitionCondition[];
}

export interface CleanupOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly remove: RemoveObject;
}

export const definitionsCollection = "apiextensions.k8s.io/customresourcedefinitions";

const finalizer = definitionKind.cleanupFinalizer!;
const retryMs = 1000;

export function createCleanup({ store, clock, log, remove }: CleanupOptions): Cleanup {
  const running = new Map<string, Subscription>();

  // Without a kind there is nothing to delete.
  const objectsOf = (kind: Kind | undefined) => (kind ? store.list(collectionOf(kind)).entries : []);

  const removeAll = async (kind: Kind): Promise<void> => {
    for (const entry of objectsOf(kind)) {
      if (entry.object.metadata.deletionTimestamp) continue;
      await remove(kind, entry).catch((error: unknown) => {
        if (!isReason(error, "NotFound")) throw error;
      });
    }
  };

  const finish = async (name: string, kind: Kind | undefined): Promise<void> => {
    if (!running.has(name) || objectsOf(kind).length > 0) return;
    const latest = store.latest({ collection: definitionsCollection, namespace: "", name });
    if (!latest?.object.metadata.finalizers?.includes(finalizer)) return;
    const finalizers = latest.object.metadata.finalizers.filter((one) => one !== finalizer);
    const metadata = { ...latest.object.metadata, finalizers };
    const { key, revision: expectedRevision } = latest;
    try {
      if (finalizers.length === 0) await store.write([{ type: "delete", key, expectedRevision }]);
      else {
        await store.write([{ type: "update", key, expectedRevision, object: { ...latest.object, metadata } }]);
      }
    } catch (error) {
      if (!(error instanceof StoreError) || error.code !== "conflict") throw error;
      return finish(name, kind);
    }
  };

  const work = (name: string, kind: Kind | undefined): void => {
    (kind ? removeAll(kind) : Promise.resolve())
      .then(() => finish(name, kind))
      .catch((error: unknown) => {
        if (error instanceof StoreError && error.code === "closed") return;
        log.warn({ error, definition: name }, "the objects of a deleted CustomResourceDefinition are still there");
        clock.after(retryMs, () => {
          if (running.has(name)) work(name, kind);
        });
      });
  };

  return {
    begin(definition, decision) {
      const { name, finalizers } = definition.metadata;
      if (running.has(name) || !finalizers?.includes(finalizer)) return;
      const version = definition.spec.versions.find(({ storage }) => storage)!;
      // What bears the names of a definition that was never served is not its own.
      const kind = decision.established
        ? customKind({ definition, version, names: definition.spec.names, terminating: true })
        : undefined;
      const collection = kind ? collectionOf(kind) : definitionsCollection;
      const subscription = store.watch({ collection, after: store.revision }, (events) => {
        if (events.some(({ type }) => type === "DELETED")) finish(name, kind).catch(() => work(name, kind));
      });
      running.set(name, subscription);
      work(name, kind);
    },
    end(name) {
      running.get(name)?.close();
      running.delete(name);
    },
    conditions: ({ metadata }) =>
      metadata.deletionTimestamp
        ? [
            {
              type: "Terminating",
              status: "True",
              reason: "InstanceDeletionInProgress",
              message: "CustomResource deletion is in progress",
            },
          ]
        : [],
  };
}
