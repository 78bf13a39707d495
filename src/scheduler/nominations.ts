// Which pods are promised which node, while others make room for them there.
import type { PodInfo } from "./pod-info.ts";

export class NominationBook {
  readonly #byPod = new Map<string, { readonly info: PodInfo; readonly nodeName: string }>();

  set(info: PodInfo, nodeName: string): void {
    this.#byPod.set(info.pod.metadata.uid, { info, nodeName });
  }

  delete(uid: string): boolean {
    return this.#byPod.delete(uid);
  }

  /** Pods of lower priority give way: their promise was made without knowing of this one. */
  displace(info: PodInfo, nodeName: string): void {
    for (const [uid, other] of this.#byPod) {
      if (other.nodeName === nodeName && other.info.priority < info.priority) this.#byPod.delete(uid);
    }
  }

  on(nodeName: string): readonly PodInfo[] {
    if (this.#byPod.size === 0) return [];
    return [...this.#byPod.values()].filter((promised) => promised.nodeName === nodeName).map(({ info }) => info);
  }
}
