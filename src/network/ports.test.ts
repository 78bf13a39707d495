import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { describePortHolder, parseSockets } from "./ports.ts";

test("listening sockets are read from the kernel's table, connected ones are not", () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:0050 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
`;
  assert.deepEqual(parseSockets(table, "tcp"), [{ address: "127.0.0.1", port: 80, inode: "4711" }]);
});

test("the holder of a port is named with its process", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  assert.match(describePortHolder(port) ?? "", new RegExp(`\\(pid ${process.pid}\\) on 127\\.0\\.0\\.1:${port}$`));
  server.close();
  await once(server, "close");
  assert.equal(describePortHolder(port), undefined);
});
