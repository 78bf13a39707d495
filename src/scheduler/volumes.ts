// Volumes for pods on their way to a node: what the caches know, what is promised, and the binding of claims.
import type { PersistentVolume, PersistentVolumeClaim } from "../kinds/generated/core.v1.ts";
import type { Cache, Client } from "../client/client.ts";
import { PersistentVolume as Volumes, PersistentVolumeClaim as Claims, StorageClass } from "../kinds/index.ts";
import type { Clock } from "../machinery/clock.ts";
import { keyOf } from "../machinery/object.ts";
import { isBound, selectedNodeAnnotation, type VolumeChoice, type VolumeView } from "./plugins/volume-binding.ts";

/** How long a claim may take to be provisioned and bound before the pod is tried anew. */
const bindTimeoutMs = 10 * 60_000;

export class VolumeBinder implements VolumeView {
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
  readonly classes: Cache<StorageClass>;
  readonly #client: Client;
  readonly #clock: Clock;
  /** Volumes that pods on their way will have, until the volumes say so themselves. */
  readonly #promised = new Set<string>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
    this.claims = client.cache(Claims);
    this.volumes = client.cache(Volumes);
    this.classes = client.cache(StorageClass);
    this.volumes.addIndex("storageClass", ({ spec }) => [spec?.storageClassName ?? ""]);
  }

  claim(namespace: string, name: string): PersistentVolumeClaim | undefined {
    return this.claims.get(`${namespace}/${name}`);
  }

  volume(name: string): PersistentVolume | undefined {
    return this.volumes.get(name);
  }

  storageClass(name: string): StorageClass | undefined {
    return this.classes.get(name);
  }

  available(storageClass: string): readonly PersistentVolume[] {
    return this.volumes
      .byIndex("storageClass", storageClass)
      .filter(
        ({ metadata, status }) => (status?.phase ?? "Available") === "Available" && !this.#promised.has(metadata.name),
      );
  }

  promise({ matched }: VolumeChoice): void {
    for (const { volume } of matched) this.#promised.add(volume.metadata.name);
  }

  release({ matched }: VolumeChoice): void {
    for (const { volume } of matched) this.#promised.delete(volume.metadata.name);
  }

  /** Hands matched volumes to their claims, asks for the others to be provisioned, and waits until all are bound. */
  async bind({ matched, provisioned }: VolumeChoice, nodeName: string, signal: AbortSignal): Promise<void> {
    const handed = matched.map(({ volume, claim }) => this.#hand(volume, claim));
    const asked = provisioned
      .filter(({ metadata }) => metadata.annotations?.[selectedNodeAnnotation] !== nodeName)
      .map(({ metadata: { name, namespace = "" } }) =>
        this.#client.patch(Claims, { name, namespace }, "merge", {
          metadata: { annotations: { [selectedNodeAnnotation]: nodeName } },
        }),
      );
    await Promise.all([...handed, ...asked]);
    const claims = [...matched.map(({ claim }) => claim), ...provisioned];
    await Promise.all(claims.map((claim) => this.#bound(claim, signal)));
  }

  async #hand(volume: PersistentVolume, claim: PersistentVolumeClaim): Promise<void> {
    const { name, namespace, uid } = claim.metadata;
    await this.#client.patch(Volumes, { name: volume.metadata.name }, "merge", {
      metadata: {
        resourceVersion: volume.metadata.resourceVersion,
        annotations: { "pv.kubernetes.io/bound-by-controller": "yes" },
      },
      spec: { claimRef: { apiVersion: "v1", kind: "PersistentVolumeClaim", name, namespace, uid } },
    });
  }

  /** Throws when the claim is deleted, is given up by its provisioner, or takes too long. */
  #bound(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<void> {
    const key = keyOf(claim);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let asked = false;
    const look = (current: PersistentVolumeClaim | undefined) => {
      if (current?.metadata.uid !== claim.metadata.uid) reject(new Error(`claim ${key} is gone`));
      else if (isBound(current)) resolve();
      else if (current.metadata.annotations?.[selectedNodeAnnotation]) asked = true;
      else if (asked) reject(new Error(`the provisioner could not provide claim ${key} on the selected node`));
    };
    const unsubscribe = this.claims.onChange(({ type, object }) => {
      if (keyOf(object) === key) look(type === "DELETED" ? undefined : object);
    });
    const cancel = this.#clock.after(bindTimeoutMs, () => reject(new Error(`claim ${key} was not bound in time`)));
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort);
    return promise.finally(() => {
      unsubscribe();
      cancel();
      signal.removeEventListener("abort", abort);
    });
  }
}
