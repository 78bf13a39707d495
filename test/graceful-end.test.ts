// Knarr is told to stop while clients write and watch: every answered write is there after the next start, watches end as
// they do when their time is up, and the process ends by itself.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import { test } from "node:test";
import { parse } from "yaml";
import { clientFromKubeconfig, connectionOf } from "../src/client/kubeconfig.ts";
import { ConfigMap } from "../src/kinds/index.ts";
import { startTestCluster } from "./harness.ts";

test("a stop in the middle of things loses nothing and breaks nothing off", { timeout: 120_000 }, async () => {
  await using cluster = await startTestCluster("end", ["--control-plane-only"]);
  const config = parse(readFileSync(cluster.kubeconfig, "utf8"));
  const { server, caPem: ca, credentials } = connectionOf(config, (file) => readFileSync(file, "utf8"));
  const secure = { ca, ...(credentials as { cert: string; key: string }) };
  const path = "/api/v1/namespaces/default/configmaps";

  const session = connect(server, secure);
  session.on("error", () => {});
  const watch = session.request({ ":path": `${path}?watch=1` });
  watch.resume();
  const watchEnd = Promise.all([once(watch, "end"), once(watch, "close")]);
  const goAway = once(session, "goaway");
  const [old] = (await once(get(`${server}${path}?watch=1`, secure), "response")) as [IncomingMessage];
  old.resume();
  const oldEnd = once(old, "end");

  const answered: string[] = [];
  const write = async (writer: number) => {
    await using client = await clientFromKubeconfig(cluster.kubeconfig, { component: "test" });
    for (let n = 0; ; n++) {
      const name = `w${writer}-${n}`;
      try {
        await client.create(ConfigMap, { metadata: { name, namespace: "default" } } as never);
      } catch {
        return;
      }
      answered.push(name);
      if (answered.length === 200) stopped = cluster.kill("SIGTERM");
    }
  };
  let stopped: Promise<void> | undefined;
  await Promise.all(Array.from({ length: 8 }, (_, writer) => write(writer)));
  await Promise.all([watchEnd, oldEnd, goAway, stopped]);
  assert.equal(watch.rstCode, 0);
  assert.ok(old.complete, "the last chunk arrived");
  session.destroy();

  await cluster.start();
  await using client = await clientFromKubeconfig(cluster.kubeconfig, { component: "test" });
  const { items } = await client.list(ConfigMap, { namespace: "default" });
  const there = new Set(items.map(({ metadata }) => metadata.name));
  assert.deepEqual(
    answered.filter((name) => !there.has(name)),
    [],
  );
});
