// Makes what a pod's sandbox and containers are made of: volumes, tokens, and their configuration for the runtime.
import { join } from "node:path";
import type { Pod, Secret } from "../../kinds/generated/core.v1.ts";
import { RuntimeClass } from "../../kinds/index.ts";
import type { ContainerConfig, ImageInfo, PodSandboxConfig } from "../cri/types.ts";
import { makeEnvironment } from "../environment/env.ts";
import { containerMounts, writeHostsFile } from "../volumes/mounts.ts";
import {
  type MountedVolumes,
  refreshPayloads,
  setUpVolumes,
  tearDownPodDir,
  type VolumeSources,
} from "../volumes/setup.ts";
import { PodTokens } from "../volumes/tokens.ts";
import { containerConfig } from "./container.ts";
import type { WorkerContext } from "./context.ts";
import { type AnyContainer, type RuntimePod, specOf } from "./model.ts";
import { podLimits } from "./resources.ts";
import { sandboxConfig } from "./sandbox.ts";
import { SandboxError, unsupportedField } from "./start-errors.ts";

/** The pod as its worker sees it at this moment. */
export interface PodView {
  readonly uid: string;
  readonly pod: Pod;
  readonly runtime: RuntimePod;
}

export class PodMaker {
  readonly #context: WorkerContext;
  readonly #view: PodView;
  readonly tokens: PodTokens;
  /** Set while the pod's volumes are mounted. */
  volumes: MountedVolumes | undefined;
  /** What is done to the volumes happens one after the other: an older content never replaces a newer one. */
  #lastWork: Promise<unknown> = Promise.resolve();
  #refresh: Promise<void> | undefined;

  constructor(context: WorkerContext, view: PodView) {
    this.#context = context;
    this.#view = view;
    this.tokens = new PodTokens(context.client, context.clock);
  }

  /** Empty until the sandbox has an address. */
  podIPs(): readonly string[] {
    if (specOf(this.#view.pod).hostNetwork) return [this.#context.hostIP];
    return this.#view.runtime.sandboxes[0]?.ips ?? [];
  }

  get podDir(): string {
    return join(this.#context.podsDir, this.#view.uid);
  }

  sources(): VolumeSources {
    const namespace = this.#view.pod.metadata.namespace ?? "";
    const { caches, allocatable, hostIP } = this.#context;
    return {
      configMap: (name) => caches.configMaps.get(`${namespace}/${name}`),
      secret: (name) => caches.secrets.get(`${namespace}/${name}`),
      claim: (name) => caches.claims.get(`${namespace}/${name}`),
      persistentVolume: (name) => caches.volumes.get(name),
      token: (projection) => this.tokens.get(projection),
      addresses: { podIPs: this.podIPs(), hostIP },
      allocatable,
    };
  }

  /** Makes the pod's cgroup on the way. */
  sandboxConfig(attempt: number): PodSandboxConfig {
    const { cgroups, clusterDns, clusterDomain, logsDir } = this.#context;
    const cgroupParent = cgroups.ensurePod(this.#view.uid, podLimits(specOf(this.#view.pod)));
    const hostResolver = this.#context.hostResolver();
    return sandboxConfig(this.#view.pod, { attempt, cgroupParent, clusterDns, clusterDomain, hostResolver, logsDir });
  }

  /** Safe to repeat. Throws VolumeError, and StatusError when a token cannot be had. */
  prepareVolumes(): Promise<MountedVolumes> {
    return this.#inTurn(async () => {
      await this.tokens.refresh(this.#view.pod);
      return (this.volumes = await setUpVolumes(this.#view.pod, this.podDir, this.sources()));
    });
  }

  /** Brings volumes that are mounted, or about to be, up to date; one that waits takes later changes along. Never rejects. */
  refreshVolumes(): Promise<void> {
    this.#refresh ??= this.#inTurn(async () => {
      this.#refresh = undefined;
      if (this.volumes) await refreshPayloads(this.#view.pod, this.podDir, this.sources());
    }).catch((error: unknown) => {
      const { name } = this.#view.pod.metadata;
      this.#context.log.warn({ error, pod: name }, "a volume could not be brought up to date");
    });
    return this.#refresh;
  }

  /** Unmounts and removes everything below the pod's directory. */
  removeVolumes(): Promise<void> {
    return this.#inTurn(async () => {
      await tearDownPodDir(this.podDir);
      this.volumes = undefined;
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#lastWork.then(work);
    this.#lastWork = done.catch(() => {});
    return done;
  }

  /** Whether nothing that the volumes are made of can be missing: the usual token, what the pod says itself. */
  volumesAtHand(): boolean {
    const { configMap } = this.sources();
    return (specOf(this.#view.pod).volumes ?? []).every(
      ({ emptyDir, projected }) =>
        emptyDir !== undefined ||
        projected?.sources?.every(
          (source) => source.serviceAccountToken ?? source.downwardAPI ?? configMap(source.configMap?.name ?? ""),
        ) === true,
    );
  }

  /** The handler of the pod's RuntimeClass. Throws SandboxError for a pod that asks for what is not supported. */
  async runtimeHandler(): Promise<string> {
    const spec = specOf(this.#view.pod);
    const refused = unsupportedField(spec);
    if (refused) throw new SandboxError(`${refused} is not supported`);
    if (!spec.runtimeClassName) return "";
    return (await this.#context.client.get(RuntimeClass, spec.runtimeClassName)).handler;
  }

  pullSecrets(): Secret[] {
    const { namespace } = this.#view.pod.metadata;
    return (specOf(this.#view.pod).imagePullSecrets ?? []).flatMap(
      ({ name }) => this.#context.caches.secrets.get(`${namespace}/${name}`) ?? [],
    );
  }

  /** Throws ConfigError. */
  containerConfig(
    container: AnyContainer,
    restartCount: number,
    image: ImageInfo,
    volumes: MountedVolumes,
  ): ContainerConfig {
    const pod = this.#view.pod;
    const { caches, clusterDomain, nodeMemoryBytes } = this.#context;
    const environment = makeEnvironment(pod, container, { ...this.sources(), services: () => caches.services.list() });
    const hostsFile = writeHostsFile(pod, this.podDir, this.podIPs(), clusterDomain);
    const mounts = containerMounts(container, {
      podDir: this.podDir,
      volumes,
      environment,
      hostsFile,
      restartCount,
    });
    const target = "targetContainerName" in container ? container.targetContainerName : undefined;
    const targetContainerId = target && this.#view.runtime.containers.find(({ name }) => name === target)?.id;
    return containerConfig(pod, container, {
      restartCount,
      image,
      environment,
      mounts,
      nodeMemoryBytes,
      ...(targetContainerId ? { targetContainerId } : {}),
    });
  }
}
