// GET pods/{name}/log: options checked, bytes streamed as the node delivers them, over HTTP or a WebSocket.
// Follows kubernetes v1.36 pkg/apis/core/validation (ValidatePodLogOptions).
import type { LogOptions } from "../../client/node-connection.ts";
import { badRequest, invalid, type FieldError } from "../../machinery/errors.ts";
import { forbiddenField, invalidValue } from "../../machinery/field.ts";
import { upgraded, type BodySink, type EdgeResponse, type Outcome, type Upgrade } from "../http/exchange.ts";
import { integer } from "../http/query.ts";
import { isTrue } from "../http/request-info.ts";
import type { AuthorizedCall } from "../http/router.ts";
import { containerOf, podOf, podOnNode } from "./pods.ts";
import { acceptWebSocket, chooseSubprotocol, receive, send } from "./websocket.ts";

export async function logs(call: AuthorizedCall): Promise<Outcome> {
  const { request } = call;
  const options = logOptions(request.query);
  const pod = podOf(call);
  const container = containerOf(pod, request.query.get("container"));
  if (!pod.spec?.nodeName && !request.upgrade)
    return { status: 200, headers: { "content-type": "text/plain" }, body: "" };
  const { node } = podOnNode(call);
  const { signal } = request;
  const iterator = node.logs(container, { ...options, signal })[Symbol.asyncIterator]();
  // The first bytes are awaited, so that whatever is wrong is an error response and not a broken body.
  const first = await iterator.next();
  if (request.upgrade?.protocol === "websocket") return webSocketLogs(request.upgrade, first, iterator);
  return textLogs(first, iterator);
}

function textLogs(first: IteratorResult<Uint8Array>, iterator: AsyncIterator<Uint8Array>): EdgeResponse {
  const headers = { "content-type": "text/plain" };
  if (first.done) return { status: 200, headers, body: "" };
  return {
    status: 200,
    headers,
    async body(sink: BodySink) {
      for (
        let part: IteratorResult<Uint8Array> = first;
        !part.done && !sink.signal.aborted;
        part = await iterator.next()
      ) {
        if (!sink.write(part.value)) await sink.drained();
      }
      await iterator.return?.();
      sink.end();
    },
  };
}

async function webSocketLogs(
  upgrade: Upgrade,
  first: IteratorResult<Uint8Array>,
  iterator: AsyncIterator<Uint8Array>,
): Promise<typeof upgraded> {
  const socket = await acceptWebSocket(upgrade, chooseSubprotocol(upgrade, ["binary.k8s.io"]));
  receive(socket, () => {});
  const pump = async () => {
    for (
      let part: IteratorResult<Uint8Array> = first;
      !part.done && socket.readyState === socket.OPEN;
      part = await iterator.next()
    ) {
      await send(socket, part.value);
    }
    await iterator.return?.();
  };
  void pump()
    .catch(() => {})
    .finally(() => socket.close(1000));
  return upgraded;
}

/** Throws Invalid naming each bad value, BadRequest for numbers that are none. */
export function logOptions(query: URLSearchParams): LogOptions {
  const sinceSeconds = integer(query, "sinceSeconds");
  const sinceTime = query.get("sinceTime") || undefined;
  const tailLines = integer(query, "tailLines");
  const limitBytes = integer(query, "limitBytes");
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0) {
    errors.push(invalidValue("tailLines", tailLines, "must be greater than or equal to 0"));
  }
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(invalidValue("limitBytes", limitBytes, "must be greater than 0"));
  if (sinceSeconds !== undefined && sinceTime !== undefined) {
    errors.push(forbiddenField("", "at most one of `sinceTime` or `sinceSeconds` may be specified"));
  }
  if (sinceSeconds !== undefined && sinceSeconds < 1) {
    errors.push(invalidValue("sinceSeconds", sinceSeconds, "must be greater than 0"));
  }
  const stream = query.get("stream") || "All";
  if (stream !== "All") {
    errors.push(forbiddenField("stream", "selecting one of the two streams is not supported by this server"));
  }
  if (errors.length > 0) throw invalid({ group: "", kind: "PodLogOptions" }, "", errors);
  if (sinceTime !== undefined && Number.isNaN(Date.parse(sinceTime))) {
    throw badRequest(`sinceTime ${JSON.stringify(sinceTime)} is not a time`);
  }
  const is = (key: string) => isTrue(query.get(key));
  return {
    ...(is("follow") ? { follow: true } : {}),
    ...(is("previous") ? { previous: true } : {}),
    ...(is("timestamps") ? { timestamps: true } : {}),
    ...(sinceSeconds !== undefined ? { sinceSeconds } : {}),
    ...(sinceTime !== undefined ? { sinceTime } : {}),
    ...(tailLines !== undefined ? { tailLines } : {}),
    ...(limitBytes !== undefined ? { limitBytes } : {}),
  };
}
