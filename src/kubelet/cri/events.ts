// Container exits as they happen. containerd before 1.7 has no CRI event stream, so this reads containerd's own event
// service on the same socket; with another runtime it says so and the kubelet falls back to listing.
import { type Client as GrpcClient, Metadata, type ServiceError, status as grpcStatus } from "@grpc/grpc-js";
import { defineMessages } from "../../machinery/protobuf.ts";
import type { Clock } from "../../machinery/clock.ts";

/** `connected` comes after every (re)connection: whatever happened before it may have been missed. */
export type RuntimeEvent =
  | { readonly type: "exited" | "oom"; readonly containerId: string }
  | { readonly type: "connected" }
  | { readonly type: "unsupported" };

interface Envelope {
  readonly topic: string;
  readonly event?: { readonly typeUrl: string; readonly value: Uint8Array };
}

const codec = defineMessages(
  {
    messages: {
      SubscribeRequest: [[1, "filters", "repeated string"]],
      Any: [
        [1, "type_url", "string"],
        [2, "value", "bytes"],
      ],
      Envelope: [
        [2, "namespace", "string"],
        [3, "topic", "string"],
        [4, "event", "Any"],
      ],
      TaskEvent: [
        [1, "container_id", "string"],
        [2, "id", "string"],
      ],
    },
  },
  { zeroValues: true },
);
const subscribe = codec<{ filters: string[] }>("SubscribeRequest");
const envelope = codec<Envelope>("Envelope");
const taskEvent = codec<{ containerId: string; id: string }>("TaskEvent");

const filters = ["/tasks/exit", "/tasks/oom"].map((topic) => `namespace==k8s.io,topic=="${topic}"`);
const reconnectMs = 250;

function translate({ topic, event }: Envelope): RuntimeEvent | undefined {
  if (!event) return undefined;
  const { containerId, id } = taskEvent.decode(event.value);
  if (topic === "/tasks/oom") return { type: "oom", containerId };
  // An exec inside a container exits with an id of its own.
  return id === "" || id === containerId ? { type: "exited", containerId } : undefined;
}

/** Delivers events until the signal aborts; reconnects when the runtime restarts. */
export function watchRuntimeEvents(
  grpc: GrpcClient,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  listener: (event: RuntimeEvent) => void,
): void {
  if (signal.aborted) return;
  const call = grpc.makeServerStreamRequest(
    "/containerd.services.events.v1.Events/Subscribe",
    subscribe.encode,
    envelope.decode,
    { filters },
    namespaceHeader(),
  );
  const cancel = () => call.cancel();
  let again = true;
  const ended = () => {
    signal.removeEventListener("abort", cancel);
    if (again && !signal.aborted) clock.after(reconnectMs, () => watchRuntimeEvents(grpc, { clock, signal }, listener));
    again = false;
  };
  signal.addEventListener("abort", cancel);
  // The server sends its headers only with the first event, so ask the connection instead.
  grpc.waitForReady(Infinity, (error) => {
    if (error === undefined && again && !signal.aborted) listener({ type: "connected" });
  });
  call.on("data", (message: Envelope) => {
    const event = translate(message);
    if (event) listener(event);
  });
  call.on("error", (error: ServiceError) => {
    if (error.code === grpcStatus.UNIMPLEMENTED) {
      again = false;
      listener({ type: "unsupported" });
    }
    ended();
  });
  call.on("end", ended);
}

function namespaceHeader(): Metadata {
  const metadata = new Metadata();
  metadata.set("containerd-namespace", "k8s.io");
  return metadata;
}
