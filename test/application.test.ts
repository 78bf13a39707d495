// The application of examples/08, end to end: real containers, real packets, real files, kubectl as the only way in.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExampleImages } from "../scripts/images.ts";
import { containersPossible, eventually, startTestCluster, type TestCluster } from "./harness.ts";
import { selfSigned } from "./certificates.ts";
import { request, startTraffic } from "./traffic.ts";
import type { Pod, Service } from "../src/kinds/generated/core.v1.ts";

const example = join(import.meta.dirname, "../examples/08-application.yaml");

describe("the example application", { timeout: 900_000 }, () => {
  let cluster: TestCluster;
  const shop = (...args: string[]) => cluster.kubectl(["-n", "shop", ...args]);
  const read = async <T>(...args: string[]) => JSON.parse(await shop("get", ...args, "-o", "json")) as T;
  const pods = async (app: string) => (await read<{ items: Pod[] }>("pods", "-l", `app=${app}`)).items;
  const running = async (app: string) => (await pods(app)).filter((pod) => !pod.metadata.deletionTimestamp);
  const containerIds = async (app: string) =>
    Object.fromEntries(
      (await running(app)).map((pod) => [pod.metadata.name, pod.status!.containerStatuses![0]!.containerID!]),
    );
  const throughIngress = (path = "/") => ({
    address: "127.0.0.1",
    port: cluster.settings.httpsPort,
    tls: true,
    host: "shop.localhost",
    path,
  });
  const redis = async (pod: string, ...command: string[]) =>
    (await shop("exec", pod, "--", "redis-cli", ...command)).trim();

  before(async () => {
    assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
    cluster = await startTestCluster("app");
    const directory = mkdtempSync(join(tmpdir(), "knarr-images-"));
    try {
      for (const [index, image] of (await buildExampleImages()).entries()) {
        const file = join(directory, `${index}.tar`);
        writeFileSync(file, image.tar);
        await cluster.knarr(["image", "import", file]);
      }
      const { certPem, keyPem } = await selfSigned("shop.localhost");
      writeFileSync(join(directory, "tls.crt"), certPem);
      writeFileSync(join(directory, "tls.key"), keyPem);
      await cluster.kubectl(["create", "namespace", "shop"]);
      await shop("create", "secret", "tls", "shop-tls", `--cert=${directory}/tls.crt`, `--key=${directory}/tls.key`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  test("it comes up from one kubectl apply; the database's pods are made in order", async () => {
    await cluster.kubectl(["apply", "-f", example]);
    await shop("rollout", "status", "deployment/web", "--timeout=60s");
    await shop("rollout", "status", "statefulset/db", "--timeout=90s");
    const started = (await pods("db"))
      .map((pod) => ({
        name: pod.metadata.name,
        at: Date.parse(pod.metadata.creationTimestamp),
        ready: readySince(pod),
      }))
      .toSorted((a, b) => a.at - b.at || a.name.localeCompare(b.name));
    assert.deepEqual(
      started.map(({ name }) => name),
      ["db-0", "db-1", "db-2"],
    );
    assert.ok(started[1]!.at >= started[0]!.ready && started[2]!.at >= started[1]!.ready, JSON.stringify(started));
  });

  test("requests through the Ingress reach every replica, over TLS from the Secret", async () => {
    const names = new Set((await running("web")).map((pod) => pod.metadata.name));
    await eventually("the Ingress answers", async () => (await request(throughIngress())).status === 200);
    const seen = new Set<string>();
    for (let i = 0; i < 60; i++) {
      const { status, body } = await request(throughIngress());
      assert.equal(status, 200, body);
      assert.match(body, /^Welcome to the shop from web-/);
      seen.add(/from (\S+),/.exec(body)![1]!);
    }
    assert.deepEqual(seen, names);
  });

  test("a killed pod comes back under another address; the Service address stays and no request fails", async () => {
    const service = await read<Service>("service", "web");
    const clusterIp = service.spec!.clusterIP!;
    const old = (await running("web"))[0]!;
    const viaService = startTraffic({ address: clusterIp, port: 80 });
    const viaIngress = startTraffic(throughIngress());
    await shop("delete", "pod", old.metadata.name, "--wait=true");
    await shop("rollout", "status", "deployment/web", "--timeout=60s");
    for (const traffic of [viaService, viaIngress]) {
      const { answers, failures } = await traffic.stop();
      assert.deepEqual(failures, []);
      assert.ok(answers.length > 20);
    }
    const now = await running("web");
    assert.equal(now.length, 3);
    assert.ok(!now.some((pod) => pod.metadata.name === old.metadata.name));
    assert.ok(!now.some((pod) => pod.status!.podIP === old.status!.podIP), "the new pod has another address");
    assert.equal((await read<Service>("service", "web")).spec!.clusterIP, clusterIp);
  });

  test("a changed ConfigMap or Secret reaches files while the containers run on, and environment after a rollout", async () => {
    const before = await containerIds("web");
    const pod = Object.keys(before)[0]!;
    await shop(
      "patch",
      "configmap",
      "web",
      "--type=merge",
      "-p",
      JSON.stringify({ data: { GREETING: "Good evening", "motd.txt": "Cod is out\n" } }),
    );
    await shop("patch", "secret", "web", "--type=merge", "-p", JSON.stringify({ stringData: { password: "changed" } }));
    await eventually(
      "the file of the ConfigMap changes",
      async () => (await shop("exec", pod, "--", "cat", "/etc/greeting/motd.txt")) === "Cod is out\n",
      90_000,
    );
    await eventually(
      "the file of the Secret changes",
      async () => (await shop("exec", pod, "--", "cat", "/etc/credentials/password")) === "changed",
      90_000,
    );
    assert.equal((await shop("exec", pod, "--", "sh", "-c", "echo $PASSWORD")).trim(), "change-me");
    assert.match((await request(throughIngress())).body, /^Welcome to the shop/);
    assert.deepEqual(await containerIds("web"), before);
    await shop("rollout", "restart", "deployment/web");
    await shop("rollout", "status", "deployment/web", "--timeout=90s");
    assert.match((await request(throughIngress())).body, /^Good evening from/);
    const fresh = (await running("web"))[0]!.metadata.name;
    assert.equal((await shop("exec", fresh, "--", "sh", "-c", "echo $PASSWORD")).trim(), "changed");
  });

  test("data of db-1 outlives its pod, and Knarr killed with -9", async () => {
    assert.equal(await redis("db-1", "set", "catch", "42 cod"), "OK");
    const [first] = (await pods("db")).filter((pod) => pod.metadata.name === "db-1");
    await shop("delete", "pod", "db-1");
    await shop("rollout", "status", "statefulset/db", "--timeout=60s");
    const second = await read<Pod>("pod", "db-1");
    assert.notEqual(second.metadata.uid, first!.metadata.uid);
    assert.equal(await redis("db-1", "get", "catch"), "42 cod");
    const containers = { ...(await containerIds("db")), ...(await containerIds("web")) };
    await cluster.kill("SIGKILL");
    assert.equal((await request(throughIngress())).status, 200, "traffic goes on without Knarr");
    await cluster.start();
    assert.equal(await redis("db-1", "get", "catch"), "42 cod");
    assert.deepEqual({ ...(await containerIds("db")), ...(await containerIds("web")) }, containers);
  });

  test("the StatefulSet goes in reverse order, comes back with the same names, DNS names and data", async () => {
    await shop("scale", "statefulset/db", "--replicas=1");
    const gone: string[] = [];
    await eventually("db-2 then db-1 are gone", async () => {
      const names = (await pods("db")).map((pod) => pod.metadata.name);
      for (const name of ["db-2", "db-1"]) if (!names.includes(name) && !gone.includes(name)) gone.push(name);
      return names.length === 1;
    });
    assert.deepEqual(gone, ["db-2", "db-1"]);
    await shop("scale", "statefulset/db", "--replicas=3");
    await shop("rollout", "status", "statefulset/db", "--timeout=60s");
    const web = (await running("web"))[0]!.metadata.name;
    for (const pod of await pods("db")) {
      const name = `${pod.metadata.name}.db.shop.svc.cluster.local`;
      const answer = await eventually(`${name} resolves to its pod`, async () => {
        const { stdout } = await cluster.tryKubectl(["-n", "shop", "exec", web, "--", "nslookup", name]);
        return stdout.includes(pod.status!.podIP!) && stdout;
      });
      assert.ok(answer);
    }
    assert.equal(await redis("db-1", "get", "catch"), "42 cod");
  });

  test("scaling and a rolling update fail no request; a bad image stops the rollout and is undone", async () => {
    const traffic = startTraffic(throughIngress());
    await shop("scale", "deployment/web", "--replicas=5");
    await shop("rollout", "status", "deployment/web", "--timeout=60s");
    await shop("set", "env", "deployment/web", "RELEASE=2");
    await shop("rollout", "status", "deployment/web", "--timeout=120s");
    await shop("scale", "deployment/web", "--replicas=3");
    await eventually("three pods are left", async () => (await pods("web")).length === 3);
    assert.match((await request(throughIngress())).body, /release 2/);

    await shop("set", "image", "deployment/web", "web=127.0.0.1:1/none:1");
    const stuck = await eventually("the new pod cannot pull its image", async () =>
      (await pods("web")).find((pod) =>
        /ErrImagePull|ImagePullBackOff/.test(pod.status?.containerStatuses?.[0]?.state?.waiting?.reason ?? ""),
      ),
    );
    assert.ok(stuck);
    const { code } = await cluster.tryKubectl(["-n", "shop", "rollout", "status", "deployment/web", "--timeout=3s"]);
    assert.notEqual(code, 0);
    assert.equal((await running("web")).filter((pod) => readySince(pod) > 0).length, 3);
    await shop("rollout", "undo", "deployment/web");
    await shop("rollout", "status", "deployment/web", "--timeout=60s");
    const { failures, answers } = await traffic.stop();
    assert.deepEqual(failures, []);
    assert.ok(answers.length > 100);
  });

  test("Knarr killed twenty times while objects are made: none that was acknowledged is lost, no container restarts", async () => {
    const containers = { ...(await containerIds("db")), ...(await containerIds("web")) };
    const acknowledged: string[] = [];
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i++) {
        const object = {
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: `kept-${i}`, namespace: "shop" },
          data: { i: String(i) },
        };
        const { code, stderr } = await cluster.tryKubectl(["create", "-f", "-"], { input: JSON.stringify(object) });
        if (code === 0 || /AlreadyExists/.test(stderr)) acknowledged.push(object.metadata.name);
      }
    })();
    for (let round = 0; round < 20; round++) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
      await cluster.kill("SIGKILL");
      await cluster.start();
    }
    writing = false;
    await writer;
    assert.ok(acknowledged.length > 5, `only ${acknowledged.length} objects were made`);
    const present = new Set(
      (await read<{ items: { metadata: { name: string } }[] }>("configmaps")).items.map((item) => item.metadata.name),
    );
    assert.deepEqual(
      acknowledged.filter((name) => !present.has(name)),
      [],
    );
    await shop("rollout", "status", "deployment/web", "--timeout=60s");
    assert.deepEqual({ ...(await containerIds("db")), ...(await containerIds("web")) }, containers);
    for (const pod of [...(await pods("web")), ...(await pods("db"))]) {
      assert.equal(pod.status!.containerStatuses![0]!.restartCount, 0, pod.metadata.name);
    }
  });
});

/** Epoch milliseconds since when the pod is Ready; 0 when it is not. */
function readySince(pod: Pod): number {
  const ready = pod.status?.conditions?.find((condition) => condition.type === "Ready");
  return ready?.status === "True" ? Date.parse(ready.lastTransitionTime!) : 0;
}
