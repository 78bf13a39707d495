// For tests: a node whose containers are functions in this process, behind a real SPDY/3.1 streaming server.
import { duplexPair } from "node:stream";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import type { ExecOptions, NodeConnection, NodeUsage, UpgradedStream } from "../../client/node-connection.ts";
import { SpdyConnection, type SpdyStream } from "./spdy.ts";

export interface FakeProcess {
  readonly stdout?: string;
  readonly stderr?: string;
  readonly exitCode?: number;
}

export interface FakeNodeOptions {
  /** What a command does with its standard input; echoes it by default. */
  readonly run?: (command: readonly string[], stdin: string) => FakeProcess;
  readonly logLines?: readonly string[];
  readonly usage?: NodeUsage;
}

const verdictOf = (exitCode: number) =>
  exitCode === 0
    ? { metadata: {}, status: "Success" }
    : {
        metadata: {},
        status: "Failure",
        message: `command terminated with non-zero exit code: exit status ${exitCode}`,
        reason: "NonZeroExitCode",
        details: { causes: [{ reason: "ExitCode", message: String(exitCode) }] },
      };

/** A runtime's end of an upgraded connection; `serve` gets its streams by type as they are opened. */
function runtimeStream(onStream: (stream: SpdyStream, connection: SpdyConnection) => void): UpgradedStream["stream"] {
  const [ours, theirs] = duplexPair();
  const connection = new SpdyConnection(theirs, { role: "server", onStream: (stream) => onStream(stream, connection) });
  return ours;
}

async function serveCommand(
  streams: ReadonlyMap<string, SpdyStream>,
  options: ExecOptions,
  run: NonNullable<FakeNodeOptions["run"]>,
): Promise<void> {
  const stdin = options.stdin ? await text(streams.get("stdin")!) : "";
  const { stdout = "", stderr = "", exitCode = 0 } = run(options.command, stdin);
  const finish = async (type: string, content: string) => {
    const stream = streams.get(type);
    if (!stream) return;
    stream.end(content);
    await once(stream, "finish");
  };
  await finish("stdout", stdout);
  await finish("stderr", stderr);
  await finish("error", JSON.stringify(verdictOf(exitCode)));
}

/** Streams that the peer of the protocol opens for a command with these options. */
const expectedStreams = ({ stdin, stdout, stderr, tty }: ExecOptions): number =>
  [true, stdin, stdout, stderr, tty].filter(Boolean).length;

export function fakeNode(options: FakeNodeOptions = {}): NodeConnection {
  const run = options.run ?? ((_command, stdin) => ({ stdout: stdin }));
  const exec = (wanted: ExecOptions): UpgradedStream["stream"] => {
    const streams = new Map<string, SpdyStream>();
    return runtimeStream((stream, connection) => {
      streams.set(stream.headers.streamtype!, stream);
      if (streams.size < expectedStreams(wanted)) return;
      void serveCommand(streams, wanted, run).finally(() => connection.close());
    });
  };
  return {
    async *logs(_container, { tailLines }) {
      const lines = options.logLines ?? [];
      for (const line of tailLines === undefined ? lines : lines.slice(-tailLines)) yield Buffer.from(`${line}\n`);
    },
    exec: async (_container, wanted, protocols) => ({ protocol: protocols[0]!, stream: exec(wanted) }),
    attach: async (_container, wanted, protocols) => ({
      protocol: protocols[0]!,
      stream: exec({ ...wanted, command: [] }),
    }),
    portForward: async (_pod, protocols) => ({
      protocol: protocols[0]!,
      stream: runtimeStream((stream) => {
        if (stream.headers.streamtype !== "data") return void stream.end();
        // Answers whatever comes first with its port, like a tiny server.
        stream.once("data", (data: Buffer) => stream.end(`${stream.headers.port}:${data.toString("utf8")}`));
      }),
    }),
    usage: async () => options.usage ?? { cpuNanoCores: 0, memoryWorkingSetBytes: 0, containers: [] },
  };
}
