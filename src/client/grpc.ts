// gRPC over a Unix socket: how container runtimes and key management plugins are spoken to.
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { Codec } from "../machinery/protobuf.ts";

/** `endpoint` is a socket path or a `unix:` address. The connection is made on the first call. */
export function openGrpc(endpoint: string): Client {
  const path = endpoint.replace(/^unix:(\/\/)?/, "");
  return new Client(`unix:${path}`, credentials.createInsecure(), {
    "grpc.max_receive_message_length": 64 << 20,
    "grpc.initial_reconnect_backoff_ms": 50,
    "grpc.max_reconnect_backoff_ms": 1000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
    "grpc.service_config_disable_resolution": 1,
  });
}

export interface UnaryCall<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly input: Codec<Request>;
  readonly output: Codec<Response>;
  readonly request: Request;
  readonly timeoutMs: number;
  /** Whether to wait for a connection that is not there yet, rather than to fail at once. */
  readonly waitForReady?: boolean;
}

/** One question and its answer. Rejects with gRPC's ServiceError. */
export const callGrpc = <Request, Response>(client: Client, call: UnaryCall<Request, Response>): Promise<Response> =>
  new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      call.path,
      call.input.encode,
      call.output.decode,
      call.request,
      new Metadata({ waitForReady: call.waitForReady ?? false }),
      // A point in the machine's own time, which gRPC's timers go by: no Clock stands in for it.
      { deadline: Date.now() + call.timeoutMs },
      (error, response) => (error ? reject(error) : resolve(response!)),
    );
  });
