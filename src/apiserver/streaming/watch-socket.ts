// A watch over a WebSocket, as browsers need it: one text message per event.
import { once } from "node:events";
import { upgraded, type BodySink, type EdgeRequest, type Upgrade } from "../http/exchange.ts";
import { acceptWebSocket, receive } from "./websocket.ts";

/** With more than this on its way, a client is behind. */
const maxBuffered = 1024 * 1024;

/** Sends the lines of a streamed response as messages; the socket closes when the response ends. */
export async function serveLines(
  request: EdgeRequest,
  upgrade: Upgrade,
  body: (sink: BodySink) => void | Promise<void>,
): Promise<typeof upgraded> {
  const socket = await acceptWebSocket(upgrade, "");
  receive(socket, () => {});
  let rest = Buffer.alloc(0);
  const sink: BodySink = {
    write(chunk, done) {
      const bytes = Buffer.concat([rest, chunk]);
      const end = bytes.lastIndexOf(10) + 1;
      rest = Buffer.from(bytes.subarray(end));
      for (const line of bytes.toString("utf8", 0, end).split("\n")) if (line) socket.send(line);
      done?.();
      return socket.bufferedAmount < maxBuffered;
    },
    async drained() {
      if (socket.bufferedAmount >= maxBuffered) {
        await once(upgrade.socket, "drain", { signal: request.signal }).catch(() => {});
      }
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    end: () => socket.close(1000),
    abort: () => socket.terminate(),
    signal: request.signal,
  };
  await body(sink);
  return upgraded;
}
