// The floor of bench/api.ts in a process of its own: a bare server of node:http2 over TLS that reads requests and answers
// bytes made beforehand, the same as the real ones. What it needs, nothing built on node:http2 can save. Whenever it is
// asked, it tells the CPU time that it used.
import { createSecureServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";

export interface FloorInput {
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
  /** One object as the real server sends it, and how many of them a list has. */
  readonly object: string;
  readonly listed: number;
}

process.once("message", ({ caPem, certPem, keyPem, ...input }: FloorInput) => {
  const object = Buffer.from(input.object);
  const event = Buffer.from(`${input.object}\n`);
  const list = Buffer.from(`[${`${input.object},`.repeat(input.listed - 1)}${input.object}]`);
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
  process.on("message", () => process.send!({ cpu: process.threadCpuUsage() }));
  server.listen(0, "127.0.0.1", () => process.send!({ port: (server.address() as AddressInfo).port }));
});
