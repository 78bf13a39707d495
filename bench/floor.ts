// The floor of bench/api.ts in a process of its own: a bare HTTP/2 server over TLS that reads requests and answers bytes
// made beforehand, the same as the real ones. What it needs, no API server on this Node can save.
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

export interface FloorInput {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** One object, one list, one watch event, as the real server sends them. */
  readonly object: string;
  readonly list: string;
  readonly event: string;
}

process.once("message", ({ caPem, certPem, keyPem, ...texts }: FloorInput) => {
  const object = Buffer.from(texts.object);
  const list = Buffer.from(texts.list);
  const event = Buffer.from(texts.event);
  const watchers = new Set<ServerHttp2Stream>();
  const server = createSecureServer({
    key: keyPem,
    cert: certPem,
    ca: caPem,
    requestCert: true,
    maxSessionMemory: 256,
    settings: { maxConcurrentStreams: 250, initialWindowSize: 1024 * 1024 },
  });
  server.on("stream", (made, headers) => {
    const stream = made as ServerHttp2Stream;
    stream.on("error", () => {});
    const path = String(headers[":path"]);
    const answer = (body: Buffer, status = 200) => {
      stream.respond({ ":status": status, "content-type": "application/json", "content-length": body.length });
      stream.end(body);
    };
    if (path.includes("watch=")) {
      stream.respond({ ":status": 200, "content-type": "application/json" });
      watchers.add(stream);
      stream.on("close", () => watchers.delete(stream));
    } else if (headers[":method"] !== "GET") {
      stream.resume().on("end", () => {
        answer(object, headers[":method"] === "POST" ? 201 : 200);
        for (const watcher of watchers) watcher.write(event);
      });
    } else answer(path.includes("/pods/") ? object : list);
  });
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
});
