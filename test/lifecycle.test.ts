// A cluster's life on a machine: two at once, down and up, Ctrl-C and adoption, refusals with reasons, and reset, after
// which the machine is as it was before.
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { buildExampleImages } from "../scripts/images.ts";
import { run, type RunResult } from "../src/host/run.ts";
import type { Pod } from "../src/kinds/generated/core.v1.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { containerdSocket } from "../src/node.ts";
import { containersPossible, eventually, freePort, startTestCluster, type TestCluster } from "./harness.ts";
import { request } from "./traffic.ts";

const root = join(import.meta.dirname, "..");
const knarr = join(root, "knarr");
const web = "knarr.dev/examples/web:1";

const output = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: "utf8" }).stdout ?? "";

/** What a cluster could leave behind, as lines that name it. `marks` are parts of the names that tests give. */
function traces(...marks: readonly string[]): string[] {
  const relevant = (line: string) => marks.some((mark) => line.includes(mark));
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => {
      try {
        return `process ${readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")}`;
      } catch {
        return "";
      }
    });
  const lines = (title: string, text: string) => text.split("\n").map((line) => `${title} ${line}`);
  return [
    ...processes,
    ...lines("mount", readFileSync("/proc/self/mountinfo", "utf8")),
    ...lines("interface", output("ip", "-br", "link")),
    ...lines("route", output("ip", "route", "show", "table", "all")),
    ...lines("table", output("nft", "list", "tables")),
    ...lines("netns", output("ip", "netns")),
    ...lines("cgroup", output("find", "/sys/fs/cgroup", "-maxdepth", "3", "-type", "d")),
    ...lines("file", output("find", "/run", "/tmp", "/var/lib", "/etc/cni", "-maxdepth", "2")),
  ].filter(relevant);
}

/** Runs `knarr up` that is expected to end by itself. */
const tryUp = (args: readonly string[]): Promise<RunResult> => run(knarr, ["up", ...args], { timeoutMs: 30_000 });

describe("the life of a cluster", { timeout: 300_000 }, () => {
  let first: TestCluster;
  let second: TestCluster;

  before(async () => {
    assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
    first = await startTestCluster("life1");
    second = await startTestCluster("life2");
    for (const image of await buildExampleImages()) {
      if (image.name !== web) continue;
      for (const { settings } of [first, second]) await importImage(containerdSocket(settings), image);
    }
  });
  after(async () => {
    await first?.[Symbol.asyncDispose]();
    await second?.[Symbol.asyncDispose]();
  });

  const deploy = (cluster: TestCluster) =>
    cluster.knarr(["apply", "-f", "-"], {
      input: JSON.stringify({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        spec: {
          selector: { matchLabels: { app: "web" } },
          template: {
            metadata: { labels: { app: "web" } },
            spec: {
              terminationGracePeriodSeconds: 1,
              containers: [{ name: "main", image: web, readinessProbe: { httpGet: { path: "/healthz", port: 8080 } } }],
            },
          },
        },
      }),
    });
  const readyPod = (cluster: TestCluster) =>
    eventually(`web is ready in ${cluster.name}`, async () => {
      const { items } = JSON.parse(await cluster.kubectl(["get", "pods", "-l", "app=web", "-o", "json"])) as {
        items: Pod[];
      };
      return items.find((pod) =>
        pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
      );
    });
  const answers = async (pod: Pod) =>
    (await request({ address: pod.status!.podIP!, port: 8080, path: "/healthz" })).body === "ok\n";

  test("two clusters live side by side: names, ports and ranges differ, and both work", async () => {
    const keys = ["name", "apiPort", "podCidr", "serviceCidr", "bridge", "nftTable", "cgroupRoot"] as const;
    for (const key of keys) assert.notEqual(first.settings[key], second.settings[key], key);
    for (const cluster of [first, second]) {
      await deploy(cluster);
      assert.ok(await answers(await readyPod(cluster)));
    }
  });

  test("the commands of knarr show and change the cluster that is meant", async () => {
    const pod = (await readyPod(first)).metadata.name;
    assert.match(await first.knarr(["status"]), new RegExp(`cluster +${first.name}[\\s\\S]*node .* Ready`));
    assert.match(await first.knarr(["kubeconfig"]), /client-certificate-data/);
    assert.equal((await first.knarr(["kubeconfig", "--path"])).trim(), first.kubeconfig);
    assert.match(await first.knarr(["get", "pods"]), /web-\S+ +1\/1 +Running/);
    assert.match(await first.knarr(["describe", "pod", pod]), /Started/);
    assert.match(await first.knarr(["exec", pod, "hostname"]), new RegExp(pod));
    await first.knarr(["logs", pod]);
    const port = await freePort();
    const forward = spawn(knarr, ["port-forward", pod, `${port}:8080`], {
      env: { ...process.env, KNARR_NAME: first.name, KNARR_DATA_DIR: first.dataDir },
      stdio: "ignore",
    });
    try {
      const reply = await eventually("the port is forwarded", () =>
        request({ address: "127.0.0.1", port, path: "/healthz" }).catch(() => undefined),
      );
      assert.equal(reply.body, "ok\n");
    } finally {
      const gone = new Promise((resolve) => forward.once("exit", resolve));
      forward.kill("SIGTERM");
      await gone;
    }
    const note = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "note" }, data: { a: "b" } };
    await first.knarr(["apply", "-f", "-"], { input: JSON.stringify(note) });
    await assert.rejects(second.knarr(["get", "configmap", "note"]), /not found/);
    await first.knarr(["delete", "configmap", "note"]);
    await assert.rejects(first.knarr(["get", "configmap", "note"]), /not found/);
  });

  test("a second start of the same cluster is refused", async () => {
    const { code, stderr } = await tryUp(["--name", first.name, "--data-dir", first.dataDir]);
    assert.equal(code, 1);
    assert.match(stderr, /runs already \(process \d+\)/);
    assert.ok(await answers(await readyPod(first)));
  });

  test("the name of another cluster is refused", async () => {
    const taken = await tryUp(["--name", first.name, "--data-dir", join(tmpdir(), "knarr-elsewhere")]);
    assert.match(taken.stderr, /exists already/);
    assert.ok(!existsSync(join(tmpdir(), "knarr-elsewhere")));
  });

  test("Ctrl-C leaves containers running, and the next start takes them over", async () => {
    const before = await readyPod(first);
    await first.kill("SIGINT");
    assert.match(first.output(), /containers stay/);
    assert.ok(await answers(before), "the pod answers without Knarr");
    await first.start();
    const now = await readyPod(first);
    assert.equal(now.metadata.uid, before.metadata.uid);
    assert.equal(now.status!.containerStatuses![0]!.containerID, before.status!.containerStatuses![0]!.containerID);
    assert.equal(now.status!.containerStatuses![0]!.restartCount, 0);
  });

  test("down stops the workloads and keeps the data; up brings them back; the other cluster does not notice", async () => {
    const other = await readyPod(second);
    const pod = await readyPod(first);
    await first.knarr(["down"]);
    // Its address is nobody's now and must not be asked: packets to it would leave the machine.
    assert.deepEqual(
      traces(first.dataDir, first.name).filter((line) => /^(process|interface|table|netns|cgroup)/.test(line)),
      [],
    );
    const { code, stdout } = await run(knarr, ["status", "--name", first.name, "--data-dir", first.dataDir]);
    assert.equal(code, 1);
    assert.match(stdout, /knarr +not running[\s\S]*Knarr does not run/);
    assert.ok(await answers(other));
    await first.start();
    const back = await eventually("the same Deployment runs again", async () => {
      const found = await readyPod(first);
      return (await answers(found).catch(() => false)) && found;
    });
    assert.equal(back.metadata.ownerReferences![0]!.name, pod.metadata.ownerReferences![0]!.name);
  });

  test("a port that is taken is reported with who holds it", async () => {
    await first.kill("SIGTERM");
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(first.settings.apiPort, "127.0.0.1", resolve));
    try {
      const { code, stderr } = await tryUp(["--name", first.name, "--data-dir", first.dataDir, "--log-level", "error"]);
      assert.equal(code, 1);
      assert.match(stderr, new RegExp(`port ${first.settings.apiPort} .* held by .*pid ${process.pid}.*--api-port`));
      const foreign = await tryUp(["--name", "somebody", "--data-dir", first.dataDir]);
      assert.match(foreign.stderr, /belongs to the cluster/);
    } finally {
      await new Promise((resolve) => holder.close(resolve));
    }
  });

  test("a damaged store is refused with a way out, and the file stays as it is", async () => {
    await first.kill("SIGTERM");
    const file = join(first.dataDir, "store.db");
    const whole = readFileSync(file);
    const handle = openSync(file, "r+");
    writeSync(handle, Buffer.alloc(4096, 0xee), 0, 4096, 0);
    closeSync(handle);
    try {
      const damaged = readFileSync(file);
      const { code, stderr } = await tryUp(["--name", first.name, "--data-dir", first.dataDir, "--log-level", "error"]);
      assert.equal(code, 1);
      assert.match(stderr, /damaged|no Knarr store/);
      assert.match(stderr, /[Rr]estore a backup/);
      assert.ok(readFileSync(file).equals(damaged));
    } finally {
      const restored = openSync(file, "r+");
      writeSync(restored, whole.subarray(0, 4096), 0, 4096, 0);
      closeSync(restored);
    }
    await first.start();
    assert.ok(await answers(await readyPod(first)));
  });

  test("reset leaves nothing of the cluster on the machine", async () => {
    await first.kill("SIGTERM");
    const { bridge, podCidr, serviceCidr } = first.settings;
    const marks = [
      first.dataDir,
      first.name,
      `${bridge} `,
      podCidr.split(".0.0")[0]! + ".",
      serviceCidr.split(".0.0")[0]! + ".",
    ];
    assert.ok(traces(...marks).length > 5, "there is something to remove");
    await first.knarr(["reset", "--yes"]);
    assert.deepEqual(traces(...marks), []);
    assert.ok(!existsSync(first.dataDir));
    assert.match(await first.knarr(["reset", "--yes"]), /nothing to remove/);
    assert.ok(await answers(await readyPod(second)), "the other cluster lives on");
  });
});

/** Collects what a `knarr up` prints; `ready` rejects when it ends before it is ready, `gone` resolves when it ends. */
function watchStart(child: ChildProcessByStdio<null, Readable, Readable>) {
  let printed = "";
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const ready = new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.includes("The cluster is ready")) resolve();
    };
    child.stdout.on("data", onData);
    child.stderr.on("data", onData);
    child.once("exit", () => reject(new Error(`it ended before it was ready:\n${printed}`)));
  });
  ready.catch(() => {});
  return { ready, gone };
}

describe("a control plane alone", { timeout: 120_000 }, () => {
  test("needs no root and no containers", async () => {
    const directory = mkdtempSync(join(tmpdir(), "knarr-nobody-"));
    const nobody = { uid: 65534, gid: 65534 };
    spawnSync("chown", ["65534:65534", directory]);
    const dataDir = join(directory, "data");
    const env = { ...process.env, HOME: directory, KNARR_HOME: join(directory, "home") };
    const args = [
      "--name",
      "alone",
      "--data-dir",
      dataDir,
      "--log-level",
      "warn",
      "--api-port",
      String(await freePort()),
    ];
    const child = spawn(knarr, ["up", "--control-plane-only", ...args], {
      ...nobody,
      env,
      cwd: directory,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { ready, gone } = watchStart(child);
    try {
      await ready;
      const ask = (...words: string[]) =>
        spawnSync(knarr, [...words, "--name", "alone", "--data-dir", dataDir], { ...nobody, env, encoding: "utf8" });
      assert.match(ask("get", "namespaces").stdout, /kube-system +Active/);
      assert.match(ask("status").stdout, /api .* ready/);
      child.kill("SIGTERM");
      await gone;
      const reset = ask("reset", "--yes");
      assert.equal(reset.status, 0, reset.stderr);
      assert.ok(!existsSync(dataDir));
    } finally {
      child.kill("SIGKILL");
      await gone;
      rmSync(directory, { recursive: true, force: true });
    }
  });

  test("a full disk fails writes by name, and they work again when there is room", async () => {
    const directory = mkdtempSync(join(tmpdir(), "knarr-small-"));
    assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", directory]).status, 0);
    const ballast = join(directory, "ballast");
    const env = { ...process.env, KNARR_HOME: join(directory, "home") };
    const dataDir = join(directory, "data");
    const place = ["--name", "small", "--data-dir", dataDir];
    const flags = ["--log-level", "error", "--api-port", String(await freePort())];
    const child = spawn(knarr, ["up", "--control-plane-only", ...place, ...flags], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { ready, gone } = watchStart(child);
    const apply = (name: string) =>
      run(knarr, ["apply", "-f", "-", ...place], {
        env,
        timeoutMs: 30_000,
        input: JSON.stringify({
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name },
          data: { a: "x".repeat(500_000) },
        }),
      });
    try {
      await ready;
      assert.equal((await apply("roomy")).code, 0);
      const fill = openSync(ballast, "w");
      try {
        for (;;) writeSync(fill, Buffer.alloc(65_536));
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
      }
      closeSync(fill);
      const failed = await eventually("a write is refused", async () => {
        const result = await apply(`tight-${Date.now()}`);
        return result.code !== 0 && result;
      });
      assert.match(failed.stderr, /no room left/);
      assert.match((await run(knarr, ["get", "configmap", "roomy", ...place], { env })).stdout, /roomy/);
      rmSync(ballast);
      await eventually("writes work again", async () => (await apply("again")).code === 0);
    } finally {
      child.kill("SIGTERM");
      await gone;
      spawnSync("umount", [directory]);
      rmSync(directory, { recursive: true, force: true });
    }
  });
});
