// The Container Runtime Interface v1 over gRPC on a Unix socket: one thin function per call.
import { type Client as GrpcClient, type ServiceError, status as grpcStatus } from "@grpc/grpc-js";
import { callGrpc } from "../../client/grpc.ts";
import { defineMessages, type FieldRow } from "../../machinery/protobuf.ts";
import fields from "./fields.json" with { type: "json" };
import type {
  AuthConfig,
  Container,
  ContainerConfig,
  ContainerStats,
  ContainerStatus,
  FilesystemUsage,
  ImageInfo,
  LinuxContainerResources,
  PodSandbox,
  PodSandboxConfig,
  PodSandboxStatus,
} from "./types.ts";

/** `code` is the gRPC code; `message` is the runtime's own text without the code in front. */
class RuntimeError extends Error {
  readonly code: number;
  constructor(call: string, cause: ServiceError) {
    super(cause.details || cause.message, { cause });
    this.code = cause.code;
    this.name = `RuntimeError(${call})`;
  }
  get notFound(): boolean {
    return this.code === grpcStatus.NOT_FOUND;
  }
  get unavailable(): boolean {
    return this.code === grpcStatus.UNAVAILABLE;
  }
}

export const isRuntimeNotFound = (error: unknown): boolean => error instanceof RuntimeError && error.notFound;

export interface ExecSyncResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly exitCode: number;
}

export interface StreamFlags {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** All calls throw RuntimeError. Times are milliseconds except where CRI says seconds. */
export interface RuntimeClient {
  version(): Promise<{ runtimeName: string; runtimeVersion: string; runtimeApiVersion: string }>;
  /** Names of the conditions (RuntimeReady, NetworkReady) that do not hold, with their reasons. */
  notReady(): Promise<{ type: string; reason: string; message: string }[]>;
  runPodSandbox(config: PodSandboxConfig, runtimeHandler?: string): Promise<string>;
  stopPodSandbox(id: string): Promise<void>;
  removePodSandbox(id: string): Promise<void>;
  podSandboxStatus(id: string): Promise<PodSandboxStatus>;
  listPodSandboxes(labelSelector?: Record<string, string>): Promise<PodSandbox[]>;
  createContainer(sandboxId: string, config: ContainerConfig, sandbox: PodSandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  /** The runtime waits up to `graceSeconds` between its two signals; the call lasts as long. */
  stopContainer(id: string, graceSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(labelSelector?: Record<string, string>): Promise<Container[]>;
  containerStatus(id: string): Promise<ContainerStatus>;
  updateContainerResources(id: string, linux: LinuxContainerResources): Promise<void>;
  reopenContainerLog(id: string): Promise<void>;
  execSync(id: string, command: readonly string[], timeoutSeconds: number): Promise<ExecSyncResult>;
  exec(id: string, command: readonly string[], flags: StreamFlags): Promise<string>;
  attach(id: string, flags: StreamFlags): Promise<string>;
  portForward(sandboxId: string): Promise<string>;
  listContainerStats(): Promise<ContainerStats[]>;
  listImages(): Promise<ImageInfo[]>;
  imageStatus(image: string): Promise<ImageInfo | undefined>;
  pullImage(image: string, auth: AuthConfig | undefined, sandbox: PodSandboxConfig | undefined): Promise<string>;
  removeImage(image: string): Promise<void>;
  imageFsInfo(): Promise<FilesystemUsage[]>;
  close(): void;
}

const usualTimeoutMs = 120_000;
const pullTimeoutMs = 3_600_000;

const codec = defineMessages(
  { messages: fields.messages as unknown as Record<string, FieldRow[]>, enums: fields.enums },
  { zeroValues: true },
);

/** `call("RuntimeService", "Version", {...})`: encodes, sends, decodes. */
type Call = <T>(
  service: keyof typeof fields.services,
  method: string,
  request: object,
  options?: { timeoutMs?: number },
) => Promise<T>;

const makeCall =
  (grpc: GrpcClient): Call =>
  async (service, method, request, { timeoutMs = usualTimeoutMs } = {}) => {
    const [input, output] = (fields.services[service] as unknown as Record<string, [string, string]>)[method]!;
    const path = `/runtime.v1.${service}/${method}`;
    try {
      return await callGrpc(grpc, {
        path,
        input: codec<object>(input),
        output: codec<never>(output),
        request,
        timeoutMs,
      });
    } catch (error) {
      throw new RuntimeError(method, error as ServiceError);
    }
  };

export function createRuntimeClient(grpc: GrpcClient): RuntimeClient {
  const call = makeCall(grpc);
  return {
    version: () => call("RuntimeService", "Version", { version: "v1" }),
    async notReady() {
      type Conditions = { type: string; status: boolean; reason: string; message: string }[];
      const { status } = await call<{ status?: { conditions: Conditions } }>("RuntimeService", "Status", {});
      return (status?.conditions ?? []).filter((condition) => !condition.status);
    },
    ...sandboxCalls(call),
    ...containerCalls(call),
    ...streamCalls(call),
    ...imageCalls(call),
    close: () => grpc.close(),
  };
}

const idle = async (promise: Promise<unknown>): Promise<void> => {
  await promise;
};

const sandboxCalls = (call: Call) => ({
  runPodSandbox: async (config: PodSandboxConfig, runtimeHandler = "") =>
    (await call<{ podSandboxId: string }>("RuntimeService", "RunPodSandbox", { config, runtimeHandler })).podSandboxId,
  stopPodSandbox: (podSandboxId: string) => idle(call("RuntimeService", "StopPodSandbox", { podSandboxId })),
  removePodSandbox: (podSandboxId: string) => idle(call("RuntimeService", "RemovePodSandbox", { podSandboxId })),
  podSandboxStatus: async (podSandboxId: string) =>
    (await call<{ status: PodSandboxStatus }>("RuntimeService", "PodSandboxStatus", { podSandboxId })).status,
  listPodSandboxes: async (labelSelector?: Record<string, string>) =>
    (await call<{ items: PodSandbox[] }>("RuntimeService", "ListPodSandbox", { filter: { labelSelector } })).items,
});

const containerCalls = (call: Call) => ({
  createContainer: async (podSandboxId: string, config: ContainerConfig, sandboxConfig: PodSandboxConfig) =>
    (
      await call<{ containerId: string }>("RuntimeService", "CreateContainer", {
        podSandboxId,
        config,
        sandboxConfig,
      })
    ).containerId,
  startContainer: (containerId: string) => idle(call("RuntimeService", "StartContainer", { containerId })),
  stopContainer: (containerId: string, timeout: number) =>
    idle(
      call("RuntimeService", "StopContainer", { containerId, timeout }, { timeoutMs: timeout * 1000 + usualTimeoutMs }),
    ),
  removeContainer: (containerId: string) => idle(call("RuntimeService", "RemoveContainer", { containerId })),
  listContainers: async (labelSelector?: Record<string, string>) =>
    (await call<{ containers: Container[] }>("RuntimeService", "ListContainers", { filter: { labelSelector } }))
      .containers,
  containerStatus: async (containerId: string) =>
    (await call<{ status: ContainerStatus }>("RuntimeService", "ContainerStatus", { containerId })).status,
  updateContainerResources: (containerId: string, linux: LinuxContainerResources) =>
    idle(call("RuntimeService", "UpdateContainerResources", { containerId, linux })),
  reopenContainerLog: (containerId: string) => idle(call("RuntimeService", "ReopenContainerLog", { containerId })),
  listContainerStats: async () =>
    (await call<{ stats: ContainerStats[] }>("RuntimeService", "ListContainerStats", {})).stats,
});

const streamCalls = (call: Call) => ({
  execSync: (containerId: string, cmd: readonly string[], timeout: number) =>
    call<ExecSyncResult>(
      "RuntimeService",
      "ExecSync",
      { containerId, cmd, timeout },
      { timeoutMs: timeout > 0 ? timeout * 1000 + 10_000 : pullTimeoutMs },
    ),
  exec: async (containerId: string, cmd: readonly string[], flags: StreamFlags) =>
    (await call<{ url: string }>("RuntimeService", "Exec", { containerId, cmd, ...flags })).url,
  attach: async (containerId: string, flags: StreamFlags) =>
    (await call<{ url: string }>("RuntimeService", "Attach", { containerId, ...flags })).url,
  portForward: async (podSandboxId: string) =>
    (await call<{ url: string }>("RuntimeService", "PortForward", { podSandboxId })).url,
});

const imageCalls = (call: Call) => ({
  listImages: async () => (await call<{ images: ImageInfo[] }>("ImageService", "ListImages", {})).images,
  imageStatus: async (image: string) =>
    (await call<{ image?: ImageInfo }>("ImageService", "ImageStatus", { image: { image } })).image,
  pullImage: async (image: string, auth: AuthConfig | undefined, sandboxConfig: PodSandboxConfig | undefined) =>
    (
      await call<{ imageRef: string }>(
        "ImageService",
        "PullImage",
        { image: { image }, auth, sandboxConfig },
        { timeoutMs: pullTimeoutMs },
      )
    ).imageRef,
  removeImage: (image: string) => idle(call("ImageService", "RemoveImage", { image: { image } })),
  imageFsInfo: async () =>
    (await call<{ imageFilesystems: FilesystemUsage[] }>("ImageService", "ImageFsInfo", {})).imageFilesystems,
});
