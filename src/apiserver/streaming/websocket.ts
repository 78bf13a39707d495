// WebSockets on an upgraded connection: the `ws` library for the framing, with sends that wait for the client.
import type { Duplex } from "node:stream";
import type { WebSocket, WebSocketServer } from "ws";
import { badRequest } from "../../machinery/errors.ts";
import type { Upgrade } from "../http/exchange.ts";

/** A message larger than this ends the connection; clients send far smaller ones. */
const maxMessageBytes = 4 * 1024 * 1024;

/** Subprotocols that the client offers, most wanted first. */
export const offeredSubprotocols = ({ message }: Upgrade): string[] =>
  (message.headers["sec-websocket-protocol"] ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);

/** The first offered subprotocol that is supported; "" when none was offered. Throws BadRequest when none fits. */
export function chooseSubprotocol(upgrade: Upgrade, supported: readonly string[]): string {
  const offered = offeredSubprotocols(upgrade).filter((name) => !name.startsWith("base64url.bearer."));
  if (offered.length === 0) return "";
  const chosen = offered.find((name) => supported.includes(name));
  if (chosen === undefined) {
    throw badRequest(
      `unable to upgrade: none of the subprotocols ${offered.join(", ")} is supported (${supported.join(", ")} are)`,
    );
  }
  return chosen;
}

let server: WebSocketServer | undefined;

/** Completes the handshake with the chosen subprotocol. Rejects when the client's handshake is no WebSocket's. */
export async function acceptWebSocket(upgrade: Upgrade, subprotocol: string): Promise<WebSocket> {
  const { WebSocketServer } = await import("ws");
  server ??= new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (_offered, message) => (message as { chosenProtocol?: string }).chosenProtocol || false,
  });
  Object.assign(upgrade.message, { chosenProtocol: subprotocol });
  const socket = await new Promise<WebSocket>((resolve, reject) => {
    upgrade.socket.once("close", () => reject(badRequest("the WebSocket handshake failed")));
    server!.handleUpgrade(upgrade.message, upgrade.socket, upgrade.head, resolve);
  });
  socket.on("error", () => socket.terminate());
  return socket;
}

/** Resolves when the bytes are with the operating system, or at once when the client is gone. */
export function send(socket: WebSocket, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    if (socket.readyState !== socket.OPEN) return resolve();
    socket.send(bytes, { binary: true }, () => resolve());
  });
}

/** Calls back for every message; `onMessage` may return a promise, and the client waits while it is pending. */
export function receive(socket: WebSocket, onMessage: (bytes: Buffer) => void | Promise<void>): void {
  socket.on("message", (data: Buffer | ArrayBuffer | Buffer[]) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
    const pending = onMessage(bytes);
    if (!pending) return;
    socket.pause();
    void pending.finally(() => socket.resume());
  });
}

/** Writes and resolves when the stream wants more. */
export function write(stream: Duplex, bytes: Uint8Array): void | Promise<void> {
  if (!stream.writable || stream.write(bytes)) return undefined;
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
