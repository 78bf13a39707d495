// What the API server asks of a node. The kubelet implements it; in process it is called directly, on another machine
// through the agent's own connection. Errors are StatusError.
import type { Duplex } from "node:stream";

export interface ContainerReference {
  readonly namespace: string;
  readonly pod: string;
  readonly podUid: string;
  readonly container: string;
}

export interface LogOptions {
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly sinceSeconds?: number;
  readonly sinceTime?: string;
  readonly tailLines?: number;
  readonly limitBytes?: number;
  readonly signal?: AbortSignal;
}

export interface ExecOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** CPU and memory of a running container, for metrics.k8s.io and `kubectl top`. */
export interface ContainerUsage extends Omit<ContainerReference, "podUid"> {
  readonly cpuNanoCores: number;
  readonly memoryWorkingSetBytes: number;
}

export interface NodeUsage {
  readonly cpuNanoCores: number;
  readonly memoryWorkingSetBytes: number;
  readonly containers: readonly ContainerUsage[];
}

export interface NodeConnection {
  logs(container: ContainerReference, options: LogOptions): AsyncIterable<Uint8Array>;
  /**
   * A raw byte stream to the runtime's streaming server, past its HTTP upgrade: it carries SPDY/3.1 frames with
   * `protocol` (for example v4.channel.k8s.io, portforward.k8s.io) agreed on. `head` is what the runtime sent already.
   */
  exec(container: ContainerReference, options: ExecOptions, protocols: readonly string[]): Promise<UpgradedStream>;
  attach(
    container: ContainerReference,
    options: Omit<ExecOptions, "command">,
    protocols: readonly string[],
  ): Promise<UpgradedStream>;
  portForward(pod: Omit<ContainerReference, "container">, protocols: readonly string[]): Promise<UpgradedStream>;
  usage(): Promise<NodeUsage>;
}

export interface UpgradedStream {
  readonly protocol: string;
  readonly stream: Duplex;
}
