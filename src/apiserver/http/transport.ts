// HTTP/2 and HTTP/1.1 over TLS on one port. Knows sockets, nothing of Kubernetes.
import { createServer, type Server } from "node:https";
import { Server as NetServer, type AddressInfo, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { realClock, type Clock } from "../../machinery/clock.ts";
import type { KeyPair } from "../auth/pki.ts";
import type { Http2Connection } from "../http2/connection.ts";
import type { Handler } from "./exchange.ts";
import { answerHttp1, answerUpgrade } from "./http1.ts";
import { serveHttp2 } from "./http2.ts";
import { createPeers } from "./peers.ts";
import { stallMs } from "./sending.ts";

export interface ListenAddress {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

export interface Certificates {
  readonly serving: KeyPair;
  /** The CAs whose client certificates count. */
  readonly caPem: string;
  /** Those above them, if any: without them no chain is complete. */
  readonly rootsPem?: string;
}

export interface TransportOptions extends Certificates {
  readonly clock?: Clock;
  /** Told of every connection, also of those that fail for their certificates. */
  readonly onConnection?: () => void;
  readonly handle: Handler;
}

export interface Transport {
  listen(address: ListenAddress): Promise<AddressInfo>;
  /** New connections are served with these; of the others, those that came in by a CA no longer among them are ended. */
  setCertificates(certificates: Certificates): void;
  /** Takes no connection any more and asks clients to leave; resolves when the last one is gone. */
  drain(): Promise<void>;
  /** Breaks off what is left. */
  close(): Promise<void>;
}

/** A connection on which nothing is asked for so long is closed. */
const firstRequestMs = 15_000;
/** How often responses that wait are looked at until one that does not move has waited for too long. */
const stallLooks = 4;
const maxConnections = 8000;

const secureOptions = ({ serving, caPem, rootsPem = "" }: Certificates) => ({
  cert: serving.certPem,
  key: serving.keyPem,
  ca: caPem + rootsPem,
  minVersion: "TLSv1.2" as const,
});

/** One server; nothing listens until `listen`. */
export function createTransport(options: TransportOptions): Transport {
  const { handle, clock = realClock, onConnection = () => {} } = options;
  const peers = createPeers(options.caPem, clock);
  const server = createServer({
    ...secureOptions(options),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: firstRequestMs,
    // Longer than clients keep idle connections, so that none is closed under a request on its way.
    keepAliveTimeout: 180_000,
    headersTimeout: firstRequestMs,
  });
  server.maxConnections = maxConnections;
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    onConnection();
    socket.setNoDelay(true);
    // Watches are silent for long: without probes a vanished client would never be noticed, nor would a NAT stay open.
    socket.setKeepAlive(true, 30_000);
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  const onWaiting = createSweep(clock);
  const connections = new Set<Http2Connection>();
  /** Those of HTTP/1.1 on which nothing is answered. */
  const idle = new Set<Duplex>();
  const [serveHttp1] = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket) => {
    if (socket.alpnProtocol !== "h2") {
      idle.add(socket);
      socket.on("close", () => idle.delete(socket));
      return serveHttp1!.call(server, socket);
    }
    // Lifted by the first request.
    socket.setTimeout(firstRequestMs, () => socket.destroy());
    const connection = serveHttp2(socket, { peers, clock, handle, onWaiting });
    connections.add(connection);
    socket.on("close", () => connections.delete(connection));
    if (drained) connection.leave();
  });
  server.on("request", (message, response) => {
    const { socket } = message;
    idle.delete(socket);
    response.on("close", () => {
      if (drained) socket.destroySoon();
      else if (!socket.destroyed) idle.add(socket);
    });
    void answerHttp1(message, response, peers, handle);
  });
  server.on("upgrade", (message, socket: Duplex, head: Buffer) => {
    idle.delete(socket);
    void answerUpgrade(message, socket, head, peers, handle);
  });
  server.on("tlsClientError", () => {});
  server.on("clientError", (_error: Error, socket: Duplex) => void socket.destroy());
  let drained: Promise<void> | undefined;
  const drain = () => {
    if (drained) return drained;
    drained = new Promise((resolve) => {
      // Node's own way of closing an HTTP server breaks off responses whose last bytes are still on their way.
      NetServer.prototype.close.call(server, () => {
        server.close();
        resolve();
      });
    });
    for (const connection of connections) connection.leave();
    for (const socket of idle) socket.destroy();
    return drained;
  };
  return {
    listen: (address) => listen(server, address),
    setCertificates(certificates) {
      server.setSecureContext(secureOptions(certificates));
      peers.trust(certificates.caPem);
    },
    drain,
    async close() {
      const drained = drain();
      for (const socket of sockets) socket.destroy();
      await drained;
    },
  };
}

/** Looks after responses that wait for their clients, as long as there are any. */
function createSweep(clock: Clock): (connection: Http2Connection) => void {
  const waiting = new Set<Http2Connection>();
  const sweep = () => {
    for (const connection of waiting) if (!connection.endStalled(stallLooks)) waiting.delete(connection);
    if (waiting.size > 0) clock.after(stallMs / stallLooks, sweep);
  };
  return (connection) => {
    if (waiting.size === 0) clock.after(stallMs / stallLooks, sweep);
    waiting.add(connection);
  };
}

function listen(server: Server, { host, port }: ListenAddress): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ host, port }, () => {
      server.off("error", reject);
      resolve(server.address() as AddressInfo);
    });
  });
}
