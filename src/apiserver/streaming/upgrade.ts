// HTTP/1.1 upgrades: what the client offers, the 101 answer, and two connections joined byte by byte.
import type { IncomingHttpHeaders } from "node:http";
import type { Duplex } from "node:stream";
import type { UpgradedStream } from "../../client/node-connection.ts";
import { badRequest } from "../../machinery/errors.ts";
import type { EdgeRequest, Upgrade } from "../http/exchange.ts";

export const spdyProtocol = "spdy/3.1";

/** Protocols that a SPDY client offers for its streams, most wanted first. */
export function offeredProtocols(headers: IncomingHttpHeaders): string[] {
  const value = headers["x-stream-protocol-version"];
  return [value ?? []]
    .flat()
    .flatMap((line) => line.split(","))
    .map((name) => name.trim())
    .filter(Boolean);
}

/** The upgrade that the request asks for. Throws BadRequest when it is none of those given. */
export function requireUpgrade(request: EdgeRequest, ...protocols: readonly string[]): Upgrade {
  const { upgrade } = request;
  if (upgrade && protocols.includes(upgrade.protocol)) return upgrade;
  throw badRequest("Upgrade request required");
}

/** Answers 101 and joins the client's connection with the runtime's. */
export function switchToSpdy(upgrade: Upgrade, { protocol, stream }: UpgradedStream): void {
  const lines = [
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: SPDY/3.1",
    `X-Stream-Protocol-Version: ${protocol}`,
  ];
  upgrade.socket.write(`${lines.join("\r\n")}\r\n\r\n`);
  join(upgrade.socket, stream, upgrade.head);
}

/** Copies both ways until either side is gone; then both are. `head` has come from `a` already. */
export function join(a: Duplex, b: Duplex, head: Buffer): void {
  if (head.length > 0) b.write(head);
  a.pipe(b);
  b.pipe(a);
  const destroyBoth = () => {
    a.destroy();
    b.destroy();
  };
  for (const side of [a, b]) {
    side.on("error", destroyBoth);
    side.on("close", destroyBoth);
  }
}
