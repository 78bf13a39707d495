// gRPC over a Unix socket: how container runtimes and key management plugins are spoken to.
import { Client, credentials } from "@grpc/grpc-js";

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
