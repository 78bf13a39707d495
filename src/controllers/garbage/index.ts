// The garbage collector: deletes objects whose owners are gone, in the order that the deletion asked for.
// Follows kubernetes v1.36 pkg/controller/garbagecollector. Instead of a graph of its own it keeps an index in every cache.
import type { Change, Client } from "../../client/client.ts";
import { WorkQueue } from "../../client/work-queue.ts";
import type { AnyKind, KindRegistry } from "../../kinds/registry.ts";
import { deepEqual } from "../../machinery/equal.ts";
import { isReason } from "../../machinery/errors.ts";
import { keyOf, splitKey, type KubeObject, type OwnerReference } from "../../machinery/object.ts";
import { watchAllKinds } from "../framework/all-kinds.ts";
import type { Environment } from "../framework/run.ts";
import { decideGarbage, isOrphaning, isWaitingForDependents, type GarbageStep, type OwnerState } from "./decide.ts";

const byOwner = "owner-uid";
const ignored = (kind: AnyKind) => kind.kind === "Event";

/** Runs until the signal aborts; resolves when it watches all kinds. */
export async function runGarbageCollector(environment: Environment & { readonly kinds: KindRegistry }): Promise<void> {
  const collector = new Collector(environment);
  await watchAllKinds({
    ...environment,
    ignore: ignored,
    onKind: (kind) => collector.follow(kind),
    onChange: (kind, change) => collector.changed(kind, change),
  });
  collector.start();
}

interface Found {
  readonly kind: AnyKind;
  readonly object: KubeObject;
}

class Collector {
  readonly #client: Client;
  readonly #kinds: KindRegistry;
  readonly #queue: WorkQueue;
  /** By `group/plural`, which also prefixes the keys of the queue. */
  readonly #followed = new Map<string, AnyKind>();
  /** Keys that wait until all kinds are in view: before that, dependents could be overlooked. */
  #early: Set<string> | undefined = new Set();

  constructor(environment: Environment & { readonly kinds: KindRegistry }) {
    this.#client = environment.client;
    this.#kinds = environment.kinds;
    const log = environment.log.child({ controller: "garbage-collector" });
    this.#queue = new WorkQueue({ ...environment, log, work: (key) => this.#examine(key) });
  }

  start(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const key of early) this.#queue.add(key);
  }

  follow(kind: AnyKind): void {
    this.#followed.set(nameOf(kind), kind);
    const owners = (object: KubeObject) => (object.metadata.ownerReferences ?? []).map(({ uid }) => uid);
    this.#client.cache(kind).addIndex(byOwner, owners);
  }

  changed(kind: AnyKind, { type, object, old }: Change): void {
    if (type === "DELETED") {
      this.#wakeDependents(object);
      for (const owner of this.#ownersOf(kind, object)) if (isWaitingForDependents(owner.object)) this.#wake(owner);
      return;
    }
    const references = object.metadata.ownerReferences;
    const referencesChanged = references !== undefined && !deepEqual(references, old?.metadata.ownerReferences);
    if (referencesChanged || isOrphaning(object)) this.#wake({ kind, object });
    if (isWaitingForDependents(object)) {
      this.#wake({ kind, object });
      if (!old || !isWaitingForDependents(old)) this.#wakeDependents(object);
    }
    // A dependent that no longer blocks may have been the last one.
    if (old && referencesChanged) {
      for (const owner of this.#ownersOf(kind, old)) if (isWaitingForDependents(owner.object)) this.#wake(owner);
    }
  }

  #wake({ kind, object }: Found): void {
    const key = `${nameOf(kind)} ${keyOf(object)}`;
    if (this.#early) this.#early.add(key);
    else this.#queue.add(key);
  }

  #wakeDependents(owner: KubeObject): void {
    for (const dependent of this.#dependentsOf(owner)) this.#wake(dependent);
  }

  #dependentsOf(owner: KubeObject): Found[] {
    const found: Found[] = [];
    for (const kind of this.#followed.values()) {
      for (const object of this.#client.cache(kind).byIndex(byOwner, owner.metadata.uid)) found.push({ kind, object });
    }
    return found;
  }

  #ownersOf(kind: AnyKind, object: KubeObject): Found[] {
    return (object.metadata.ownerReferences ?? []).flatMap((reference) => {
      const target = this.#targetOf(kind, object, reference);
      const owner =
        target && this.#followed.has(nameOf(target.kind)) && this.#client.cache(target.kind).get(target.key);
      return owner && owner.metadata.uid === reference.uid ? [{ kind: target.kind, object: owner }] : [];
    });
  }

  #targetOf(
    kind: AnyKind,
    { metadata }: KubeObject,
    reference: OwnerReference,
  ): { kind: AnyKind; key: string } | undefined {
    const known = this.#kinds.byApiVersion(reference.apiVersion, reference.kind);
    if (!known) return undefined;
    const owner = this.#followed.get(nameOf(known)) ?? known;
    if (!owner.namespaced) return { kind: owner, key: reference.name };
    return kind.namespaced ? { kind: owner, key: `${metadata.namespace}/${reference.name}` } : undefined;
  }

  async #examine(key: string): Promise<void> {
    const [name, objectKey] = key.split(" ") as [string, string];
    const kind = this.#followed.get(name);
    const object = kind && this.#client.cache(kind).get(objectKey);
    if (!kind || !object) return;
    const owners: OwnerState[] = [];
    if (object.metadata.deletionTimestamp === undefined) {
      for (const reference of object.metadata.ownerReferences ?? []) {
        owners.push(await this.#stateOf(kind, object, reference));
      }
    }
    const dependents = this.#dependentsOf(object);
    const steps = decideGarbage({ object, owners, dependents: dependents.map((dependent) => dependent.object) });
    for (const step of steps) await this.#take(step, { kind, object }, dependents);
  }

  /** From the cache when it says that the owner is there; that it is gone only the server can say. */
  async #stateOf(kind: AnyKind, object: KubeObject, reference: OwnerReference): Promise<OwnerState> {
    const target = this.#targetOf(kind, object, reference);
    // Nothing can be said about an owner of an unknown kind, or about one that the reference cannot reach.
    if (!target) return "solid";
    const followed = this.#followed.has(nameOf(target.kind));
    let owner = followed ? this.#client.cache(target.kind).get(target.key) : undefined;
    if (owner?.metadata.uid !== reference.uid) owner = await this.#live(target.kind, target.key);
    if (owner?.metadata.uid !== reference.uid) return "absent";
    return isWaitingForDependents(owner) ? "waiting" : "solid";
  }

  async #live(kind: AnyKind, key: string): Promise<KubeObject | undefined> {
    const { namespace, name } = splitKey(key);
    try {
      return await this.#client.get(kind, name, namespace);
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  }

  async #take(step: GarbageStep, { kind, object }: Found, dependents: readonly Found[]): Promise<void> {
    const { uid, resourceVersion, finalizers = [] } = object.metadata;
    switch (step.type) {
      case "wakeDependents":
        return dependents.forEach((dependent) => this.#wake(dependent));
      case "delete": {
        const options = { propagationPolicy: step.policy, preconditions: { uid } };
        return ifThere(this.#client.delete(kind, targetOf(object), options));
      }
      case "setOwners":
        return this.#patch({ kind, object }, { ownerReferences: orAbsent(step.owners), resourceVersion });
      case "removeFinalizer": {
        const kept = finalizers.filter((finalizer) => finalizer !== step.finalizer);
        return this.#patch({ kind, object }, { finalizers: orAbsent(kept), resourceVersion });
      }
      case "releaseDependents":
        for (const dependent of dependents) {
          const { ownerReferences = [], resourceVersion: seen } = dependent.object.metadata;
          const kept = ownerReferences.filter((reference) => reference.uid !== uid);
          await this.#patch(dependent, { ownerReferences: orAbsent(kept), resourceVersion: seen });
        }
    }
  }

  /** A merge patch of metadata. A conflict is thrown, so that the object is examined again. */
  #patch({ kind, object }: Found, metadata: object): Promise<void> {
    const patch = { metadata: { ...metadata, uid: object.metadata.uid } };
    return ifThere(this.#client.patch(kind, targetOf(object), "merge", patch));
  }
}

/** In a merge patch: a list without elements is removed. */
const orAbsent = (list: readonly unknown[]) => (list.length > 0 ? list : null);

/** The same for all versions of a kind. */
const nameOf = ({ group, plural }: AnyKind): string => `${group}/${plural}`;

const targetOf = ({ metadata }: KubeObject) => ({ name: metadata.name, namespace: metadata.namespace ?? "" });

async function ifThere(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isReason(error, "NotFound")) throw error;
  }
}
