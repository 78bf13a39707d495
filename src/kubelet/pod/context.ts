// What all pod workers of a kubelet share.
import type { Cache, Client } from "../../client/client.ts";
import type { EventRecorder } from "../../client/events.ts";
import type {
  ConfigMap,
  PersistentVolume,
  PersistentVolumeClaim,
  Secret,
  Service,
} from "../../kinds/generated/core.v1.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Cgroups } from "../cgroups.ts";
import type { RuntimeClient } from "../cri/client.ts";
import type { Allocatable } from "../environment/fields.ts";
import type { ImagePuller } from "../images/puller.ts";
import type { HostResolver } from "./sandbox.ts";
import type { PodWorker } from "./worker.ts";

export interface KubeletCaches {
  readonly configMaps: Cache<ConfigMap>;
  readonly secrets: Cache<Secret>;
  readonly services: Cache<Service>;
  readonly claims: Cache<PersistentVolumeClaim>;
  readonly volumes: Cache<PersistentVolume>;
}

/** Who is told of what the runtime says of a container or sandbox. */
export interface ContainerOwner {
  exited(id: string): void;
  oomKilled(id: string): void;
}

export interface WorkerContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly runtime: RuntimeClient;
  /** `containerd`: the scheme of container ids in status. */
  readonly runtimeName: string;
  readonly events: EventRecorder;
  readonly caches: KubeletCaches;
  readonly cgroups: Cgroups;
  readonly puller: ImagePuller;
  readonly nodeName: string;
  readonly hostIP: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly podsDir: string;
  readonly logsDir: string;
  readonly nodeMemoryBytes: number;
  readonly allocatable: Allocatable;
  hostResolver(): HostResolver;
  /** Runs heavy work (sandboxes, containers) with a bound on how much at once. */
  limited<T>(work: () => Promise<T>): Promise<T>;
  /** Container and sandbox ids → worker, so that exits find their pod. */
  readonly owners: Map<string, ContainerOwner>;
  /** The worker is through: pod and everything of it are gone. */
  finished(worker: PodWorker): void;
}
