// The kubelet against a real, private containerd and an API in memory: what pods see and what their status says.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { testApi } from "../src/apiserver/testing.ts";
import type { Client } from "../src/client/client.ts";
import { findCommand } from "../src/host/packages.ts";
import { unmountTree } from "../src/host/mount.ts";
import { run } from "../src/host/run.ts";
import { ConfigMap, Event, Node, Pod, Secret } from "../src/kinds/core/index.ts";
import type { Container, ContainerStatus, PodSpec } from "../src/kinds/generated/core.v1.ts";
import { removeCgroups } from "../src/kubelet/cgroups.ts";
import type { Containerd } from "../src/kubelet/containerd.ts";
import { startContainerd } from "../src/kubelet/containerd.ts";
import { buildBusyboxImage } from "../src/kubelet/images/debian.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import type { Kubelet } from "../src/kubelet/kubelet.ts";
import { startKubelet } from "../src/kubelet/kubelet.ts";
import { stopPods } from "../src/kubelet/stop-pods.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { eventually } from "./harness.ts";

for (const command of ["containerd", "runc", "ctr"]) assert.ok(findCommand(command), `these tests need ${command}`);
assert.equal(process.getuid?.(), 0, "these tests need root");

const image = "knarr.dev/test-busybox:1";
const nodeName = "node-1";
const bridge = `knt${process.pid.toString(36)}`;
const cgroupRoot = `knarr-test-${process.pid}`;
const dir = mkdtempSync(join(tmpdir(), "knarr-kubelet-"));

let containerd: Containerd;
let kubelet: Kubelet;
let client: Client;

function writeNetwork(): void {
  const ipam = { type: "host-local", ranges: [[{ subnet: "10.198.7.0/24" }]], dataDir: join(dir, "addresses") };
  const plugins = [{ type: "bridge", bridge, isGateway: true, ipam }];
  mkdirSync(join(dir, "cni"));
  writeFileSync(
    join(dir, "cni/10-test.conflist"),
    JSON.stringify({ cniVersion: "1.0.0", name: "knarr-test", plugins }),
  );
  mkdirSync(join(dir, "registries/_default"), { recursive: true });
  writeFileSync(join(dir, "registries/_default/hosts.toml"), 'server = "http://127.0.0.1:1"\n');
}

const startOne = () =>
  startKubelet({
    client,
    nodeName,
    nodeIP: "10.198.7.1",
    dataDir: join(dir, "kubelet"),
    runtimeEndpoint: `unix://${containerd.socket}`,
    cgroupRoot,
    clusterDns: "10.96.0.10",
    clusterDomain: "cluster.local",
    maxPods: 110,
    clock: realClock,
    log: silentLogger,
    signal: new AbortController().signal,
  });

/** A container that lives until it is told to go; `script` runs first. */
const lives = (script = "true", more: Partial<Container> = {}): Container => ({
  name: "main",
  image,
  command: ["sh", "-c", `${script}; trap 'exit 0' TERM; sleep 1000 & wait`],
  ...more,
});
const runs = (script: string, more: Partial<Container> = {}): Container => ({
  name: "main",
  image,
  command: ["sh", "-c", script],
  ...more,
});

async function create(name: string, spec: Partial<PodSpec>, metadata: object = {}): Promise<Pod> {
  return client.create(Pod, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default", ...metadata },
    spec: { nodeName, automountServiceAccountToken: false, terminationGracePeriodSeconds: 2, containers: [], ...spec },
  });
}

/** Waits for a state of a pod; undefined stands for its absence. */
function until(name: string, check: (pod: Pod | undefined) => boolean, timeoutMs = 20_000): Promise<Pod> {
  const cache = client.cache(Pod);
  return new Promise((resolve, reject) => {
    let unsubscribe = () => {};
    const finish = (end: () => void) => {
      clearTimeout(timer);
      queueMicrotask(() => unsubscribe());
      end();
    };
    const timer = setTimeout(
      () => finish(() => reject(new Error(`${name}: ${JSON.stringify(cache.get(`default/${name}`)?.status)}`))),
      timeoutMs,
    );
    unsubscribe = cache.onChange(({ type, object }) => {
      if (object.metadata.name === name && check(type === "DELETED" ? undefined : object))
        finish(() => resolve(object));
    });
  });
}

const isReady = (pod: Pod | undefined) =>
  pod?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
const hasPhase = (phase: string) => (pod: Pod | undefined) => pod?.status?.phase === phase;
const main = (pod: Pod | undefined): ContainerStatus | undefined => pod?.status?.containerStatuses?.[0];

async function log(pod: Pod, container = "main", options = {}): Promise<string> {
  const parts: Uint8Array[] = [];
  const reference = { namespace: "default", pod: pod.metadata.name, podUid: pod.metadata.uid, container };
  for await (const part of kubelet.logs(reference, options)) parts.push(part);
  return Buffer.concat(parts).toString("utf8");
}

/** Waits until a running pod has printed just this. */
const untilLog = (pod: Pod, text: string, container?: string) =>
  eventually(`log of ${pod.metadata.name}: ${text}`, async () => (await log(pod, container)) === text);

/** Runs a pod to its end and returns what it printed. */
async function outputOf(name: string, spec: Partial<PodSpec>, metadata: object = {}): Promise<string> {
  await create(name, { restartPolicy: "Never", ...spec }, metadata);
  const pod = await until(name, (p) => hasPhase("Succeeded")(p) || hasPhase("Failed")(p));
  const text = await log(pod);
  assert.equal(pod.status!.phase, "Succeeded", text + JSON.stringify(pod.status));
  return text;
}

async function remove(name: string): Promise<void> {
  await client.delete(Pod, { name, namespace: "default" });
  if (client.cache(Pod).get(`default/${name}`)) await until(name, (pod) => pod === undefined);
}

const eventReasons = async (name: string) =>
  (await client.list(Event, { namespace: "default" })).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason }) => reason);

describe("kubelet", () => {
  before(async () => {
    writeNetwork();
    const api = await testApi();
    // The API of this test has no signing key.
    client = Object.assign(Object.create(api.client) as Client, {
      async createSubresource(...args: Parameters<Client["createSubresource"]>) {
        if (args[2] !== "token") return api.client.createSubresource(...args);
        const expirationTimestamp = new Date(Date.now() + 3600_000).toISOString();
        return { status: { token: `token-of-${args[1].name}`, expirationTimestamp } };
      },
    });
    containerd = await startContainerd({
      dir: join(dir, "containerd"),
      cniConfDir: join(dir, "cni"),
      cniBinDir: "/usr/lib/cni",
      registryConfigDir: join(dir, "registries"),
      clock: realClock,
      log: silentLogger,
    });
    await importImage(containerd.socket, await buildBusyboxImage(image));
    kubelet = await startOne();
  });

  after(async () => {
    await kubelet[Symbol.asyncDispose]();
    await stopPods({ socket: containerd.socket, cgroupRoot, graceSeconds: 0 });
    await containerd.stop();
    await run("ip", ["link", "delete", bridge]);
    unmountTree(dir);
    removeCgroups(cgroupRoot);
    rmSync(dir, { recursive: true, force: true });
  });

  test("the node registers itself as Ready", async () => {
    const node = await client.get(Node, nodeName);
    assert.equal(node.status!.conditions!.find(({ type }) => type === "Ready")!.status, "True");
    assert.match(node.status!.nodeInfo!.containerRuntimeVersion, /^containerd:\/\//);
    assert.equal(node.metadata.labels!["kubernetes.io/hostname"], nodeName);
  });

  test("a pod becomes Ready with an address, and disappears when deleted", async () => {
    await create("simple", { containers: [lives("echo hello")] });
    const pod = await until("simple", isReady);
    assert.match(pod.status!.podIP!, /^10\.198\.7\./);
    assert.equal(pod.status!.phase, "Running");
    await untilLog(pod, "hello\n");
    const podDir = join(dir, "kubelet/pods", pod.metadata.uid);
    assert.ok(existsSync(podDir));
    await remove("simple");
    assert.equal(existsSync(podDir), false);
  });

  test("a pod that ends is Succeeded or Failed and keeps its message and log", async () => {
    const containers = [runs("echo out; echo reason > /dev/termination-log; exit 3")];
    await create("fails", { restartPolicy: "Never", containers });
    const pod = await until("fails", hasPhase("Failed"));
    assert.equal(main(pod)!.state!.terminated!.exitCode, 3);
    assert.equal(main(pod)!.state!.terminated!.reason, "Error");
    assert.equal(main(pod)!.state!.terminated!.message, "reason\n");
    assert.equal(await log(pod), "out\n");
    await remove("fails");
  });

  test("the end of the log is the message when asked for", async () => {
    const containers = [runs("echo last words; exit 1", { terminationMessagePolicy: "FallbackToLogsOnError" })];
    await create("fallback", { restartPolicy: "Never", containers });
    const pod = await until("fallback", hasPhase("Failed"));
    assert.equal(main(pod)!.state!.terminated!.message, "last words\n");
  });

  test("a failing container is restarted at once, then backs off", async () => {
    await create("crash", { containers: [runs("exit 1")] });
    const pod = await until("crash", (p) => main(p)?.state?.waiting?.reason === "CrashLoopBackOff");
    assert.equal(main(pod)!.restartCount, 1);
    assert.equal(main(pod)!.lastState!.terminated!.exitCode, 1);
    assert.match(
      main(pod)!.state!.waiting!.message!,
      /^back-off 10s restarting failed container=main pod=crash_default/,
    );
    assert.equal(pod.status!.phase, "Running");
    await remove("crash");
  });

  test("init containers run in order before the others; sidecars go on", async () => {
    const share = { volumeMounts: [{ name: "share", mountPath: "/share" }] };
    await create("inits", {
      restartPolicy: "Never",
      volumes: [{ name: "share", emptyDir: {} }],
      initContainers: [
        runs("echo one >> /share/order", { name: "one", ...share }),
        lives("echo side >> /share/order", { name: "side", restartPolicy: "Always", ...share }),
        runs("echo two >> /share/order", { name: "two", ...share }),
      ],
      containers: [runs("cat /share/order", share)],
    });
    const pod = await until("inits", hasPhase("Succeeded"));
    assert.equal(await log(pod), "one\nside\ntwo\n");
    assert.equal(pod.status!.initContainerStatuses![0]!.ready, true);
    assert.ok(pod.status!.initContainerStatuses![1]!.state!.terminated);
    await remove("inits");
  });

  test("a failing init container ends a pod that must not restart", async () => {
    const initContainers = [runs("exit 4", { name: "bad" })];
    await create("bad-init", { restartPolicy: "Never", initContainers, containers: [lives()] });
    const pod = await until("bad-init", hasPhase("Failed"));
    assert.equal(pod.status!.initContainerStatuses![0]!.state!.terminated!.exitCode, 4);
  });

  test("environment: literals, references, ConfigMaps, Secrets, fields, resources, Services", async () => {
    const meta = (name: string) => ({ name, namespace: "default" });
    await client.create(ConfigMap, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: meta("env-map"),
      data: { k: "from-map" },
    });
    const data = { s: Buffer.from("from-secret").toString("base64") };
    await client.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: meta("env-secret"),
      type: "Opaque",
      data,
    });
    const text = await outputOf(
      "env",
      {
        containers: [
          runs("env", {
            envFrom: [{ prefix: "P_", configMapRef: { name: "env-map" } }, { secretRef: { name: "env-secret" } }],
            env: [
              { name: "A", value: "a" },
              { name: "B", value: "$(A)b$$(A)$(NO)" },
              { name: "KEY", valueFrom: { configMapKeyRef: { name: "env-map", key: "k" } } },
              { name: "NAME", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
              { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
              { name: "CPU", valueFrom: { resourceFieldRef: { resource: "limits.cpu", divisor: "1m" } } },
            ],
            resources: { limits: { cpu: "500m", memory: "64Mi" } },
          }),
        ],
      },
      { labels: { app: "shop" } },
    );
    for (const line of ["B=ab$(A)$(NO)", "P_k=from-map", "s=from-secret", "KEY=from-map", "NAME=shop", "CPU=500"])
      assert.ok(text.includes(`${line}\n`), `${line} in:\n${text}`);
    assert.match(text, /^IP=10\.198\.7\.\d+$/m);
    assert.match(text, /^KUBERNETES_SERVICE_HOST=10\.96\.0\.1$/m);
  });

  test("a container waits for a missing ConfigMap and starts when it comes", async () => {
    await create("waits", { containers: [lives("echo $V", { envFrom: [{ configMapRef: { name: "late" } }] })] });
    const waiting = await until("waits", (p) => main(p)?.state?.waiting?.reason === "CreateContainerConfigError");
    assert.equal(main(waiting)!.state!.waiting!.message, 'configmap "late" not found');
    const metadata = { name: "late", namespace: "default" };
    await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { V: "here" } });
    const pod = await until("waits", isReady);
    await untilLog(pod, "here\n");
    await remove("waits");
  });

  test("volumes: modes, items, projections, tokens, memory, host paths, sub-paths, groups", async () => {
    const metadata = { name: "files", namespace: "default" };
    await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { a: "A", b: "B" } });
    const hostDir = join(dir, "host-dir");
    const text = await outputOf("volumes", {
      securityContext: { fsGroup: 2345, runAsUser: 1000 },
      volumes: [
        { name: "map", configMap: { name: "files", defaultMode: 0o440, items: [{ key: "a", path: "sub/x" }] } },
        {
          name: "all",
          projected: {
            sources: [
              { configMap: { name: "files" } },
              { downwardAPI: { items: [{ path: "name", fieldRef: { fieldPath: "metadata.name" } }] } },
              { serviceAccountToken: { path: "token" } },
            ],
          },
        },
        { name: "mem", emptyDir: { medium: "Memory", sizeLimit: "8Mi" } },
        { name: "scratch", emptyDir: {} },
        { name: "host", hostPath: { path: hostDir, type: "DirectoryOrCreate" } },
        { name: "whole", configMap: { name: "files" } },
      ],
      containers: [
        runs(
          [
            "cat /map/sub/x; echo; stat -L -c '%a %g' /map/sub/x",
            "cat /all/a /all/name /all/token; echo; stat -L -c '%a' /all/token",
            "df -m /mem | tail -n 1 | awk '{print $2}'",
            "touch /scratch/t && stat -c '%g' /scratch/t",
            "ls -d /host",
            "cat /one-file; echo; touch /sub/made; ls /scratch/deep",
            "id -u",
          ].join("; "),
          {
            volumeMounts: [
              { name: "map", mountPath: "/map" },
              { name: "all", mountPath: "/all" },
              { name: "mem", mountPath: "/mem" },
              { name: "scratch", mountPath: "/scratch" },
              { name: "scratch", mountPath: "/sub", subPath: "deep/er" },
              { name: "host", mountPath: "/host" },
              { name: "whole", mountPath: "/one-file", subPath: "b" },
            ],
          },
        ),
      ],
    });
    assert.equal(text, "A\n440 2345\nAvolumestoken-of-default\n640\n8\n2345\n/host\nB\ner\n1000\n");
    assert.ok(existsSync(hostDir));
  });

  test("a changed ConfigMap reaches the files of a running pod", async () => {
    const metadata = { name: "live", namespace: "default" };
    await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { v: "old" } });
    const volumeMounts = [{ name: "live", mountPath: "/live" }];
    const script = "while ! grep -q new /live/v; do sleep 0.05; done; echo seen";
    await create("live", {
      restartPolicy: "Never",
      volumes: [{ name: "live", configMap: { name: "live" } }],
      containers: [runs(script, { volumeMounts })],
    });
    await until("live", isReady);
    await client.patch(ConfigMap, metadata, "merge", { data: { v: "new" } });
    const pod = await until("live", hasPhase("Succeeded"), 5000);
    assert.equal(await log(pod), "seen\n");
  });

  test("names: hostname, hosts file, resolver", async () => {
    const text = await outputOf("names", {
      hostname: "own",
      subdomain: "sub",
      hostAliases: [{ ip: "10.0.0.9", hostnames: ["alias.test"] }],
      dnsConfig: { options: [{ name: "ndots", value: "2" }] },
      containers: [runs("hostname; cat /etc/hosts /etc/resolv.conf")],
    });
    assert.match(text, /^own\n/);
    assert.match(text, /\town\.sub\.default\.svc\.cluster\.local\town\n/);
    assert.match(text, /10\.0\.0\.9\talias\.test/);
    assert.match(text, /nameserver 10\.96\.0\.10/);
    assert.match(text, /search default\.svc\.cluster\.local svc\.cluster\.local cluster\.local/);
    assert.match(text, /ndots:2/);
  });

  test("resources become cgroup limits of the container and the pod", async () => {
    const resources = { requests: { cpu: "250m", memory: "32Mi" }, limits: { cpu: "500m", memory: "64Mi" } };
    await create("limits", { containers: [lives("true", { resources })] });
    const pod = await until("limits", isReady);
    assert.equal(pod.status!.qosClass, "Burstable");
    const below = `${cgroupRoot}/kubepods/burstable/pod${pod.metadata.uid}`;
    const file = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"]
      .flatMap((top) => [join(top, below, "memory.limit_in_bytes"), join(top, below, "memory.max")])
      .find((path) => existsSync(path))!;
    assert.equal(readFileSync(file, "utf8").trim(), String(64 << 20));
    await remove("limits");
    assert.equal(existsSync(file), false);
  });

  test("a container beyond its memory limit is OOMKilled", async () => {
    const resources = { limits: { memory: "16Mi" } };
    await create("oom", { restartPolicy: "Never", containers: [runs("tail /dev/zero", { resources })] });
    const pod = await until("oom", hasPhase("Failed"));
    assert.equal(main(pod)!.state!.terminated!.reason, "OOMKilled");
  });

  test("security: capabilities, read-only root, no new privileges, non-root", async () => {
    const text = await outputOf("secure", {
      containers: [
        runs("grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /x 2> /dev/null || echo read-only; id -u; id -g", {
          securityContext: {
            runAsUser: 1234,
            runAsGroup: 4321,
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        }),
      ],
    });
    assert.match(text, /CapEff:\t0000000000000000/);
    assert.match(text, /NoNewPrivs:\t1/);
    assert.match(text, /read-only\n1234\n4321\n/);
    await create("rooted", { securityContext: { runAsNonRoot: true }, containers: [lives()] });
    const pod = await until("rooted", (p) => main(p)?.state?.waiting?.reason === "CreateContainerConfigError");
    assert.match(main(pod)!.state!.waiting!.message!, /image will run as root/);
    await remove("rooted");
  });

  test("probes: readiness gates Ready, liveness restarts, startup comes first", async () => {
    const fast = { periodSeconds: 1, failureThreshold: 1 };
    await create("probes", {
      containers: [
        lives("sleep 1; touch /up; sleep 3; rm /up", {
          startupProbe: { exec: { command: ["test", "-e", "/up"] }, periodSeconds: 1, failureThreshold: 30 },
          livenessProbe: { exec: { command: ["test", "-e", "/up"] }, ...fast },
          readinessProbe: { exec: { command: ["test", "-e", "/up"] }, ...fast },
          terminationMessagePath: "/dev/termination-log",
        }),
      ],
    });
    const started = await until("probes", (p) => main(p)?.state?.running !== undefined);
    assert.equal(main(started)!.started, false);
    assert.equal(isReady(started), false);
    await until("probes", isReady);
    const restarted = await until("probes", (p) => main(p)?.restartCount === 1);
    assert.ok(main(restarted)!.lastState!.terminated);
    assert.ok((await eventReasons("probes")).includes("Unhealthy"));
    await remove("probes");
  });

  test("HTTP and TCP probes reach the pod", async () => {
    const server = "mkdir /www; echo ok > /www/ok; httpd -p 8080 -h /www";
    await create("http", {
      containers: [
        lives(server, {
          ports: [{ name: "web", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/ok", port: "web" }, periodSeconds: 1 },
          livenessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
        }),
      ],
    });
    await until("http", isReady);
    await remove("http");
  });

  test("hooks: postStart before ready, preStop before the signal", async () => {
    const hostDir = join(dir, "hooks");
    await create("hooks", {
      volumes: [{ name: "out", hostPath: { path: hostDir, type: "DirectoryOrCreate" } }],
      containers: [
        lives("trap 'echo term >> /out/order; exit 0' TERM; sleep 1000 & wait", {
          volumeMounts: [{ name: "out", mountPath: "/out" }],
          lifecycle: {
            postStart: { exec: { command: ["sh", "-c", "echo post >> /out/order"] } },
            preStop: { exec: { command: ["sh", "-c", "echo pre >> /out/order"] } },
          },
        }),
      ],
    });
    await until("hooks", isReady);
    assert.equal(readFileSync(join(hostDir, "order"), "utf8"), "post\n");
    await remove("hooks");
    assert.equal(readFileSync(join(hostDir, "order"), "utf8"), "post\npre\nterm\n");
  });

  test("a pod can be deleted while its postStart hook is running", async () => {
    await create("stuck", {
      containers: [lives("true", { lifecycle: { postStart: { exec: { command: ["sleep", "600"] } } } })],
    });
    const ids = () => run("ctr", ["--address", containerd.socket, "-n", "k8s.io", "tasks", "list"]);
    await until("stuck", (p) => p?.status?.podIP !== undefined);
    while ((await ids()).stdout.split("\n").length < 3) await new Promise((resolve) => setTimeout(resolve, 50));
    const begun = Date.now();
    await remove("stuck");
    assert.ok(Date.now() - begun < 10_000);
  });

  test("images: a failed pull backs off, bad names are refused, Never is obeyed", async () => {
    await create("no-image", { containers: [lives("true", { image: "127.0.0.1:1/none:1" })] });
    await until("no-image", (p) => main(p)?.state?.waiting?.reason === "ErrImagePull");
    await remove("no-image");
    await create("bad-name", { containers: [lives("true", { image: "Not A Name" })] }).catch(() => {});
    await create("never", { containers: [lives("true", { image: "127.0.0.1:1/never", imagePullPolicy: "Never" })] });
    await until("never", (p) => main(p)?.state?.waiting?.reason === "ErrImageNeverPull");
    await remove("never");
  });

  test("a pod past its deadline fails", async () => {
    await create("deadline", { activeDeadlineSeconds: 1, containers: [lives()] });
    const pod = await until("deadline", hasPhase("Failed"));
    assert.equal(pod.status!.reason, "DeadlineExceeded");
  });

  test("logs: tail, timestamps, limits, previous, follow", async () => {
    await create("logs", { containers: [runs("seq 5; sleep 0.5; echo end; exit 1")] });
    const running = await until("logs", (p) => main(p)?.state?.running !== undefined);
    assert.equal(await log(running, "main", { follow: true }), "1\n2\n3\n4\n5\nend\n");
    const pod = await until("logs", (p) => main(p)?.state?.waiting !== undefined);
    assert.equal(await log(pod, "main", { previous: true, tailLines: 2 }), "5\nend\n");
    assert.equal(await log(pod, "main", { limitBytes: 3 }), "1\n2");
    assert.match(await log(pod, "main", { timestamps: true, tailLines: 1 }), /^\d{4}-\d\d-\d\dT\S+ end\n$/);
    await remove("logs");
  });

  test("exec is upgraded to SPDY with the newest protocol both know", async () => {
    await create("exec", { containers: [lives()] });
    const pod = await until("exec", isReady);
    const reference = { namespace: "default", pod: "exec", podUid: pod.metadata.uid, container: "main" };
    const flags = { stdin: false, stdout: true, stderr: true, tty: false };
    const { protocol, stream } = await kubelet.exec(reference, { command: ["true"], ...flags }, [
      "v4.channel.k8s.io",
      "channel.k8s.io",
    ]);
    assert.equal(protocol, "v4.channel.k8s.io");
    stream.destroy();
    await assert.rejects(kubelet.exec({ ...reference, container: "no" }, { command: ["true"], ...flags }, []));
    const usage = await kubelet.usage();
    assert.ok(usage.containers.some((container) => container.pod === "exec" && container.memoryWorkingSetBytes > 0));
    await remove("exec");
  });

  test("an ephemeral container joins a running pod", async () => {
    await create("debugged", { containers: [lives()] });
    await until("debugged", isReady);
    const target = { name: "debugged", namespace: "default" };
    const ephemeralContainers = [
      { name: "debug", image, command: ["sh", "-c", "echo probe"], targetContainerName: "main" },
    ];
    await client.patch(
      Pod,
      target,
      "strategic",
      { spec: { ephemeralContainers } },
      { subresource: "ephemeralcontainers" },
    );
    const pod = await until(
      "debugged",
      (p) => p?.status?.ephemeralContainerStatuses?.[0]?.state?.terminated !== undefined,
    );
    await untilLog(pod, "probe\n", "debug");
    await remove("debugged");
  });

  test("another kubelet adopts running containers, and cleans up what is gone", async () => {
    const metadata = { name: "kept", namespace: "default" };
    await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata, data: { v: "old" } });
    await create("stays", { volumes: [{ name: "kept", configMap: { name: "kept" } }], containers: [lives()] });
    await create("goes", { containers: [lives()] });
    const first = await until("stays", isReady);
    await until("goes", isReady);
    await kubelet[Symbol.asyncDispose]();
    await client.delete(Pod, { name: "goes", namespace: "default" }, { gracePeriodSeconds: 0 });
    kubelet = await startOne();
    await create("fresh", { containers: [lives()] });
    await until("fresh", isReady);
    const pod = await client.get(Pod, "stays", "default");
    assert.equal(main(pod)!.containerID, main(first)!.containerID);
    assert.equal(main(pod)!.restartCount, 0);
    const { stdout } = await run("ctr", ["--address", containerd.socket, "-n", "k8s.io", "containers", "list"]);
    assert.ok(!stdout.includes("goes"));
    // What it adopts it keeps up to date: files here, and tokens in the same way.
    await client.patch(ConfigMap, metadata, "merge", { data: { v: "new" } });
    const file = join(dir, "kubelet/pods", pod.metadata.uid!, "volumes/kept/v");
    await eventually("the new file", () => readFileSync(file, "utf8") === "new");
    await remove("stays");
    await remove("fresh");
  });

  test("containers survive a restart of containerd", async () => {
    await create("survives", { containers: [lives()] });
    const first = await until("survives", isReady);
    await containerd.stop();
    containerd = await startContainerd({
      dir: join(dir, "containerd"),
      cniConfDir: join(dir, "cni"),
      cniBinDir: "/usr/lib/cni",
      registryConfigDir: join(dir, "registries"),
      clock: realClock,
      log: silentLogger,
    });
    await create("after", { containers: [lives()] });
    await until("after", isReady, 30_000);
    assert.equal(main(await client.get(Pod, "survives", "default"))!.containerID, main(first)!.containerID);
    await remove("survives");
    await remove("after");
  });
});
