// A watch over a WebSocket, as browsers need it: one text message per event.
import { once } from "node:events";
import { upgraded, type BodySink, type EdgeRequest, type Upgrade } from "../http/exchange.ts";
import { acceptWebSocket, receive } from "./websocket.ts";

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
      return socket.bufferedAmount < 1024 * 1024;
    },
    drained: async () => void (await once(upgrade.socket, "drain").catch(() => {})),
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
