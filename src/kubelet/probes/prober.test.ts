import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { RuntimeClient } from "../cri/client.ts";
import { container } from "../testing.ts";
import { portOf, runAction } from "./actions.ts";
import { delayAfter, settle } from "./prober.ts";

test("a result settles when its threshold is reached in a row", () => {
  const state = {
    probe: { successThreshold: 2, failureThreshold: 3 },
    result: undefined as boolean | undefined,
    successes: 0,
    failures: 0,
  };
  const results = [true, false, true, true, false, false, true, false, false, false].map(
    (ok) => (settle(state, ok), state.result),
  );
  assert.deepEqual(results, [undefined, undefined, undefined, true, true, true, true, true, true, false]);
});

test("a container that is not well yet is asked again soon, and attempts count once per period", () => {
  const state = { probe: { periodSeconds: 1 }, dueAt: 0, hurryMs: 100 as number | undefined };
  let now = 0;
  const attempts = Array.from({ length: 6 }, () => {
    const counts = now >= state.dueAt;
    const at = now;
    now += delayAfter(state, { ok: false, begun: now, now });
    return [at, counts];
  });
  assert.deepEqual(attempts, [
    [0, true],
    [100, false],
    [300, false],
    [700, false],
    [1000, true],
    [1800, false],
  ]);
  assert.equal(delayAfter(state, { ok: true, begun: now, now: now + 10 }), 990);
  now = state.dueAt;
  assert.equal(delayAfter(state, { ok: false, begun: now, now }), 1000);
});

test("ports are numbers or names of the container's ports", () => {
  const app = container("app", { ports: [{ name: "web", containerPort: 8080 }] });
  assert.deepEqual(
    [portOf(80, app), portOf("web", app), portOf("81", app), portOf("no", app)],
    [80, 8080, 81, undefined],
  );
});

test("HTTP probes pass below 400, fail above, time out, and send their headers", async () => {
  const agents: unknown[] = [];
  const server = createServer((request, response) => {
    agents.push(request.headers["user-agent"]);
    if (request.url === "/slow") return;
    response.statusCode = request.url === "/bad" ? 500 : 302;
    response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const target = { runtime: {} as RuntimeClient, containerId: "c", container: container("app"), ip: "127.0.0.1" };
  const get = (path: string) => runAction({ httpGet: { path, port } }, target, 200, "probe");
  try {
    assert.equal((await get("/")).ok, true);
    assert.deepEqual(await get("/bad"), { ok: false, message: "HTTP probe failed with statuscode: 500" });
    assert.match((await get("/slow")).message, /context deadline exceeded/);
    assert.equal(agents[0], "kube-probe/1.36");
    assert.equal((await runAction({ tcpSocket: { port } }, target, 200, "probe")).ok, true);
  } finally {
    server.closeAllConnections();
    server.close();
  }
  assert.equal((await runAction({ tcpSocket: { port } }, target, 200, "probe")).ok, false);
});
