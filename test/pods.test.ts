// The life of pods in a whole cluster with real containers: order of containers, restarts, probes, hooks, the end, logs,
// and the controllers that run work to completion.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CronJob, DaemonSet, EndpointSlice, Job, Node, Pod, Service, StatefulSet } from "../src/kinds/index.ts";
import type { Container, LifecycleHandler, PodSpec, Volume } from "../src/kinds/generated/core.v1.ts";
import { containersPossible, eventually, startTestCluster, type TestCluster } from "./harness.ts";
import {
  hasPhase,
  image,
  importTools,
  isNotReady,
  isReady,
  lives,
  node,
  runs,
  statusOf,
  workloadsOf,
  type Workloads,
} from "./workloads.ts";

let cluster: TestCluster;
let work: Workloads;

/** A directory of the machine that the pod sees as /out, to read what it did when it is gone. */
function outputVolume(name: string): { dir: string; volumes: Volume[]; volumeMounts: Container["volumeMounts"] } {
  const dir = join(cluster.dataDir, "out", name);
  mkdirSync(dir, { recursive: true });
  return {
    dir,
    volumes: [{ name: "out", hostPath: { path: dir, type: "Directory" } }],
    volumeMounts: [{ name: "out", mountPath: "/out" }],
  };
}
const linesOf = (dir: string, file = "order") => readFileSync(join(dir, file), "utf8").trimEnd().split("\n");
const seconds = (from: string | undefined, to: string | undefined) => (Date.parse(to!) - Date.parse(from!)) / 1000;
const quickly = { periodSeconds: 1, failureThreshold: 1 };

before(async () => {
  assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
  cluster = await startTestCluster("pods");
  await importTools(cluster);
  work = await workloadsOf(cluster);
});
after(async () => {
  await work?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

describe("containers of a pod", { concurrency: 5 }, () => {
  test("several containers share address and volumes; the pod is Ready when all are", async () => {
    const share = { volumeMounts: [{ name: "share", mountPath: "/share" }] };
    await work.pod("several", {
      volumes: [{ name: "share", emptyDir: {} }],
      containers: [
        lives("echo hello > /share/index.html; httpd -p 8080 -h /share", { name: "server", ...share }),
        lives("until wget -qO /share/got http://127.0.0.1:8080/; do sleep 0.2; done", {
          name: "client",
          readinessProbe: { exec: { command: ["test", "-s", "/share/got"] }, ...quickly },
          ...share,
        }),
      ],
    });
    const pod = await work.until("several", isReady);
    assert.ok(pod.status!.containerStatuses!.every(({ ready, started }) => ready && started));
    assert.equal(await work.exec("several", "cat", "/share/got"), "hello\n");
  });

  test("a failing init container is tried again and holds everything behind it back", async () => {
    const share = { volumeMounts: [{ name: "share", mountPath: "/share" }] };
    await work.pod("init-retry", {
      restartPolicy: "OnFailure",
      volumes: [{ name: "share", emptyDir: {} }],
      initContainers: [
        runs("echo first >> /share/order; test -e /share/again || { touch /share/again; exit 7; }", {
          name: "first",
          ...share,
        }),
        runs("echo second >> /share/order", { name: "second", ...share }),
      ],
      containers: [runs("cat /share/order", share)],
    });
    const pod = await work.until("init-retry", hasPhase("Succeeded"));
    assert.equal(await work.log("init-retry", "container=main"), "first\nfirst\nsecond\n");
    assert.equal(statusOf(pod, "first")!.restartCount, 1);
    assert.equal(statusOf(pod, "first")!.lastState?.terminated?.exitCode ?? 7, 7);
  });

  test("a failing init container ends a pod that never restarts; nothing else was started", async () => {
    await work.pod("init-fails", {
      restartPolicy: "Never",
      initContainers: [runs("exit 4", { name: "bad" })],
      containers: [lives()],
    });
    const pod = await work.until("init-fails", hasPhase("Failed"));
    assert.equal(statusOf(pod, "bad")!.state!.terminated!.exitCode, 4);
    assert.equal(statusOf(pod)!.state!.waiting!.reason, "PodInitializing");
    const initialized = pod.status!.conditions!.find(({ type }) => type === "Initialized");
    assert.equal(initialized!.status, "False");
  });

  test("sidecars start in order, each when the one before has started, and end after the others in reverse", async () => {
    const { dir, volumes, volumeMounts } = outputVolume("sidecars");
    const sidecar = (name: string): Container =>
      runs(
        `trap 'echo ${name} stops >> /out/order; exit 0' TERM; sleep 1; echo ${name} is up >> /out/order; touch /up; while :; do sleep 1000 & wait; done`,
        {
          name,
          restartPolicy: "Always",
          startupProbe: { exec: { command: ["test", "-e", "/up"] }, periodSeconds: 1, failureThreshold: 30 },
          volumeMounts,
        },
      );
    await work.pod("sidecars", {
      volumes,
      terminationGracePeriodSeconds: 20,
      initContainers: [sidecar("one"), runs("echo init >> /out/order", { name: "init", volumeMounts }), sidecar("two")],
      containers: [
        runs(
          "trap 'sleep 1; echo main stops >> /out/order; exit 0' TERM; echo main >> /out/order; while :; do sleep 1000 & wait; done",
          {
            volumeMounts,
          },
        ),
      ],
    });
    const pod = await work.until("sidecars", isReady);
    assert.equal(statusOf(pod, "one")!.ready, true);
    await eventually("main runs", () => linesOf(dir).includes("main"));
    await work.remove("sidecars");
    assert.deepEqual(linesOf(dir), ["one is up", "init", "two is up", "main", "main stops", "two stops", "one stops"]);
  });

  test("a sidecar that ends is restarted, and does not keep a finished pod", async () => {
    await work.pod("sidecar-restart", {
      restartPolicy: "Never",
      initContainers: [runs("sleep 1; exit 0", { name: "side", restartPolicy: "Always" })],
      containers: [runs("sleep 4")],
    });
    const pod = await work.until("sidecar-restart", hasPhase("Succeeded"));
    assert.ok(statusOf(pod, "side")!.restartCount >= 1);
  });

  test("Never: the pod is over when every container is, and Failed when one has failed", async () => {
    await work.pod("never", {
      restartPolicy: "Never",
      containers: [runs("exit 3", { name: "bad" }), runs("sleep 1", { name: "good" })],
    });
    const half = await work.until("never", (pod) => statusOf(pod, "bad")?.state?.terminated !== undefined);
    assert.equal(half.status!.phase, "Running");
    const pod = await work.until("never", hasPhase("Failed"));
    assert.equal(statusOf(pod, "good")!.state!.terminated!.reason, "Completed");
    assert.equal(statusOf(pod, "bad")!.state!.terminated!.reason, "Error");
    assert.equal(statusOf(pod, "bad")!.restartCount, 0);
  });

  test("OnFailure restarts a failure and leaves a success", async () => {
    await work.pod("on-failure", {
      restartPolicy: "OnFailure",
      volumes: [{ name: "share", emptyDir: {} }],
      containers: [
        runs("test -e /share/x && exit 0; touch /share/x; exit 5", {
          volumeMounts: [{ name: "share", mountPath: "/share" }],
        }),
      ],
    });
    const pod = await work.until("on-failure", hasPhase("Succeeded"));
    assert.equal(statusOf(pod)!.restartCount, 1);
    assert.equal(statusOf(pod)!.lastState!.terminated!.exitCode, 5);
  });

  test("Always restarts even a success, at once and then after 10 s, saying CrashLoopBackOff", async () => {
    await work.pod("always", { containers: [runs("exit 0")] });
    const waiting = await work.until("always", (p) => statusOf(p)?.state?.waiting?.reason === "CrashLoopBackOff");
    assert.equal(waiting.status!.phase, "Running");
    assert.match(statusOf(waiting)!.state!.waiting!.message!, /^back-off 10s restarting failed container=main/);
    const ended = statusOf(waiting)!.lastState!.terminated!.finishedAt;
    const again = await work.until("always", (p) => (statusOf(p)?.restartCount ?? 0) > statusOf(waiting)!.restartCount);
    const begun = statusOf(again)!.state?.running?.startedAt ?? statusOf(again)!.lastState!.terminated!.startedAt;
    const pause = seconds(ended, begun);
    assert.ok(pause >= 9 && pause <= 14, `it waited ${pause} s`);
    await work.untilEvent("always", /^BackOff: Back-off restarting/);
  });

  test("beyond its memory limit a container is OOMKilled", async () => {
    const resources = { limits: { memory: "16Mi" } };
    await work.pod("oom", { restartPolicy: "Never", containers: [runs("tail /dev/zero", { resources })] });
    const pod = await work.until("oom", hasPhase("Failed"));
    assert.equal(statusOf(pod)!.state!.terminated!.reason, "OOMKilled");
    assert.equal(statusOf(pod)!.state!.terminated!.exitCode, 137);
  });

  test("a pod past activeDeadlineSeconds fails with DeadlineExceeded", async () => {
    await work.pod("deadline", { activeDeadlineSeconds: 2, containers: [lives()] });
    const pod = await work.until("deadline", hasPhase("Failed"));
    assert.equal(pod.status!.reason, "DeadlineExceeded");
    assert.equal(statusOf(pod)!.state!.running, undefined);
  });

  test("the message of the end is the file, or the last log lines of a failure when that is asked for", async () => {
    await work.pod("messages", {
      restartPolicy: "Never",
      containers: [
        runs("echo said > /tmp/why", { name: "file", terminationMessagePath: "/tmp/why" }),
        runs("echo logged; exit 1", { name: "log", terminationMessagePolicy: "FallbackToLogsOnError" }),
        runs("echo logged; exit 0", { name: "fine", terminationMessagePolicy: "FallbackToLogsOnError" }),
      ],
    });
    const pod = await work.until("messages", hasPhase("Failed"));
    const message = (name: string) => statusOf(pod, name)!.state!.terminated!.message;
    assert.equal(message("file"), "said\n");
    assert.equal(message("log"), "logged\n");
    assert.equal(message("fine"), undefined);
  });

  test("an ephemeral container joins a running pod by kubectl debug", async () => {
    await work.pod("debugged", { containers: [lives()] });
    await work.until("debugged", isReady);
    await work.kubectl("debug", "debugged", `--image=${image}`, "-c", "probe", "--target=main", "--", "ps");
    await work.until("debugged", (p) => statusOf(p, "probe")?.state?.terminated !== undefined);
    assert.match(await work.log("debugged", "container=probe"), /sleep 1000/);
  });

  test("an image that cannot be pulled is said so and tried again; a new image heals the pod", async () => {
    await work.pod("no-image", { containers: [lives("true", { image: "127.0.0.1:1/none:1" })] });
    await work.until("no-image", (p) => statusOf(p)?.state?.waiting?.reason === "ImagePullBackOff");
    const changed = { spec: { containers: [{ name: "main", image }] } };
    await work.client.patch(Pod, { name: "no-image", namespace: "default" }, "strategic", changed);
    await work.until("no-image", isReady);
  });
});

const grpcHealth = `
const http2 = require("node:http2"), fs = require("node:fs");
http2.createServer().on("stream", (stream, headers) => {
  const serving = !fs.existsSync("/tmp/sick");
  stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
  stream.resume();
  stream.end(Buffer.from([0, 0, 0, 0, 2, 8, serving ? 1 : 2]));
}).listen(9000);
process.on("SIGTERM", () => process.exit(0));`;

const httpServer = `
require("node:http").createServer((request, response) => {
  require("node:fs").appendFileSync("/out/requests", request.url + " " + request.headers["x-probe"] + " " + request.headers["user-agent"] + "\\n");
  response.statusCode = request.url === "/moved" ? 302 : request.url === "/bad" ? 500 : 200;
  response.end();
}).listen(8080);
process.on("SIGTERM", () => process.exit(0));`;

describe("probes and hooks", { concurrency: 5 }, () => {
  test("an HTTP probe sends its headers and takes 2xx and 3xx; a TCP probe takes an open port", async () => {
    const { dir, volumes, volumeMounts } = outputVolume("http-probe");
    await work.pod("http-probe", {
      volumes,
      containers: [
        node(httpServer, {
          volumeMounts,
          ports: [{ name: "web", containerPort: 8080 }],
          startupProbe: { tcpSocket: { port: "web" }, periodSeconds: 1, failureThreshold: 30 },
          readinessProbe: {
            httpGet: { path: "/moved", port: "web", httpHeaders: [{ name: "X-Probe", value: "hi" }] },
            ...quickly,
          },
        }),
        node("require('node:http').createServer((_, r) => { r.statusCode = 500; r.end(); }).listen(8081)", {
          name: "failing",
          readinessProbe: { httpGet: { port: 8081 }, ...quickly },
        }),
      ],
    });
    const pod = await work.until("http-probe", (p) => statusOf(p)?.ready);
    assert.equal(statusOf(pod, "failing")!.ready, false);
    assert.equal(isReady(pod), false);
    assert.match(linesOf(dir, "requests")[0]!, /^\/moved hi kube-probe\//);
    await work.untilEvent("http-probe", /^Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500$/);
    await work.remove("http-probe");
  });

  test("a gRPC probe asks the health service; only a pod that serves is an endpoint", async () => {
    await work.create(Service, "grpc", { spec: { selector: { app: "grpc" }, ports: [{ port: 9000 }] } });
    await work.pod(
      "grpc",
      { containers: [node(grpcHealth, { readinessProbe: { grpc: { port: 9000 }, ...quickly } })] },
      { labels: { app: "grpc" } },
    );
    await work.until("grpc", isReady);
    const readiness = async () => {
      const { items } = await work.client.list(EndpointSlice, {
        namespace: "default",
        labelSelector: "kubernetes.io/service-name=grpc",
      });
      return items.flatMap(({ endpoints = [] }) => endpoints!.map(({ conditions }) => conditions!.ready));
    };
    await eventually("it is an endpoint", async () => (await readiness()).includes(true));
    await work.exec("grpc", "touch", "/tmp/sick");
    await work.until("grpc", isNotReady);
    await eventually("it is no endpoint", async () => !(await readiness()).includes(true));
    await work.exec("grpc", "rm", "/tmp/sick");
    await work.until("grpc", isReady);
    assert.equal(statusOf(await work.client.get(Pod, "grpc", "default"))!.restartCount, 0);
  });

  test("a failing liveness probe restarts the container within its own grace period", async () => {
    await work.pod("liveness", {
      terminationGracePeriodSeconds: 60,
      containers: [
        runs("trap '' TERM; touch /up; sleep 3; rm /up; while :; do sleep 1; done", {
          livenessProbe: {
            exec: { command: ["test", "-e", "/up"] },
            initialDelaySeconds: 1,
            terminationGracePeriodSeconds: 1,
            ...quickly,
          },
        }),
      ],
    });
    const pod = await work.until("liveness", (p) => statusOf(p)?.restartCount === 1, 30_000);
    assert.equal(statusOf(pod)!.lastState!.terminated!.exitCode, 137);
    await work.untilEvent("liveness", /^Unhealthy: Liveness probe failed/);
    await work.untilEvent("liveness", /^Killing: Container main failed liveness probe, will be restarted$/);
    await work.remove("liveness", 0);
  });

  test("a startup probe holds the others back, and kills what never starts", async () => {
    const startupProbe = { exec: { command: ["test", "-e", "/up"] }, periodSeconds: 1, failureThreshold: 5 };
    await work.pod("startup", {
      containers: [
        lives("sleep 2; touch /up", {
          name: "slow",
          startupProbe,
          livenessProbe: { exec: { command: ["test", "-e", "/up"] }, ...quickly },
        }),
        lives("true", { name: "stuck", startupProbe: { ...startupProbe, failureThreshold: 2 } }),
      ],
    });
    const pod = await work.until("startup", (p) => (statusOf(p, "stuck")?.restartCount ?? 0) > 0);
    assert.equal(statusOf(pod, "slow")!.restartCount, 0);
    await work.untilEvent("startup", /^Killing: Container stuck failed startup probe, will be restarted$/);
    await work.remove("startup");
  });

  const hooked = async (name: string, lifecycle: { postStart?: LifecycleHandler; preStop?: LifecycleHandler }) => {
    const { dir, volumes, volumeMounts } = outputVolume(name);
    await work.pod(name, {
      terminationGracePeriodSeconds: 10,
      volumes,
      containers: [
        lives("trap 'echo term >> /out/order; exit 0' TERM; echo begin >> /out/order; httpd -p 8080 -h /out", {
          lifecycle,
          volumeMounts,
        }),
      ],
    });
    await work.until(name, isReady);
    await work.remove(name);
    return dir;
  };

  test("exec hooks run after the start and before the signal", async () => {
    const say = (word: string) => ({ exec: { command: ["sh", "-c", `sleep 0.5; echo ${word} >> /out/order`] } });
    const dir = await hooked("exec-hooks", { postStart: say("post"), preStop: say("pre") });
    assert.deepEqual(linesOf(dir), ["begin", "post", "pre", "term"]);
  });

  test("HTTP hooks are asked at the pod's address", async () => {
    const { dir, volumes, volumeMounts } = outputVolume("http-hooks");
    const lifecycle = { preStop: { httpGet: { path: "/bye", port: 8080 } } };
    const readinessProbe = { httpGet: { path: "/ready", port: 8080 }, ...quickly };
    await work.pod("http-hooks", {
      volumes,
      containers: [node(httpServer, { volumeMounts, lifecycle, readinessProbe })],
    });
    await work.until("http-hooks", isReady);
    await work.remove("http-hooks");
    assert.match(linesOf(dir, "requests").at(-1)!, /^\/bye undefined kube-lifecycle\//);
  });

  test("a postStart sleep holds the container back", async () => {
    const lifecycle = { postStart: { sleep: { seconds: 2 } } };
    await work.pod("slow-hook", { containers: [lives("true", { lifecycle })] });
    const pod = await work.until("slow-hook", isReady);
    const ready = pod.status!.conditions!.find(({ type }) => type === "Ready")!.lastTransitionTime;
    assert.ok(seconds(statusOf(pod)!.state!.running!.startedAt, ready) >= 1);
  });

  test("a preStop sleep delays the signal", async () => {
    const begun = Date.now();
    const dir = await hooked("sleep-hook", { preStop: { sleep: { seconds: 3 } } });
    assert.ok(Date.now() - begun > 3000);
    assert.deepEqual(linesOf(dir), ["begin", "term"]);
  });

  test("a failing postStart hook kills its container", async () => {
    const lifecycle = { postStart: { exec: { command: ["false"] } } };
    await work.pod("bad-hook", { restartPolicy: "Never", containers: [lives("true", { lifecycle })] });
    await work.until("bad-hook", (pod) => statusOf(pod)?.state?.terminated !== undefined);
    await work.untilEvent("bad-hook", /^FailedPostStartHook: /);
  });

  test("SIGTERM first; who traps it has the grace period, who ignores it is killed at its end", async () => {
    const { dir, volumes, volumeMounts } = outputVolume("grace");
    await work.pod("grace", {
      terminationGracePeriodSeconds: 3,
      volumes,
      containers: [
        runs(
          "trap 'echo asked >> /out/order; sleep 1; echo done >> /out/order; exit 0' TERM; while :; do sleep 1000 & wait; done",
          {
            volumeMounts,
          },
        ),
        runs("trap '' TERM; while :; do sleep 1; echo x >> /out/ticks; done", { name: "deaf", volumeMounts }),
      ],
    });
    await work.until("grace", isReady);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const begun = Date.now();
    await work.remove("grace");
    const took = Date.now() - begun;
    assert.ok(took > 2500, `it took ${took} ms`);
    assert.deepEqual(linesOf(dir), ["asked", "done"]);
    const ticks = linesOf(dir, "ticks").length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal(linesOf(dir, "ticks").length, ticks, "no process is left");
  });

  test("a pod on its way out is no ready endpoint any more, but serves and says that it is terminating", async () => {
    await work.create(Service, "leaving", { spec: { selector: { app: "leaving" }, ports: [{ port: 80 }] } });
    const preStop = { sleep: { seconds: 4 } };
    const containers = [lives("true", { lifecycle: { preStop } })];
    await work.pod("leaving", { terminationGracePeriodSeconds: 10, containers }, { labels: { app: "leaving" } });
    await work.until("leaving", isReady);
    const removal = work.remove("leaving");
    await eventually("its endpoint is terminating", async () => {
      const { items } = await work.client.list(EndpointSlice, {
        namespace: "default",
        labelSelector: "kubernetes.io/service-name=leaving",
      });
      const conditions = items[0]?.endpoints?.[0]?.conditions;
      return conditions?.terminating === true && conditions.ready === false && conditions.serving === true;
    });
    await removal;
  });
});

describe("logs, and work that ends", { concurrency: 5 }, () => {
  test("previous, tail, since, limits, timestamps and follow", async () => {
    await work.pod("logs", { containers: [runs("seq 3; sleep 3; echo end; exit 1")] });
    await work.until("logs", (p) => statusOf(p)?.state?.running !== undefined);
    assert.equal(await work.log("logs", "follow=true"), "1\n2\n3\nend\n");
    const pod = await work.until("logs", (p) => statusOf(p)?.state?.waiting?.reason === "CrashLoopBackOff");
    assert.equal(statusOf(pod)!.restartCount, 1);
    assert.equal(await work.log("logs", "previous=true&tailLines=2"), "3\nend\n");
    assert.equal(await work.log("logs", "limitBytes=3"), "1\n2");
    assert.match(await work.log("logs", "timestamps=true&tailLines=1"), /^\d{4}-\d\d-\d\dT\S+Z end\n$/);
    const stamps = (await work.log("logs", "timestamps=true")).trimEnd().split("\n");
    const since = stamps.at(-1)!.split(" ")[0]!.replace(/\.\d+/, "");
    assert.equal(await work.log("logs", `sinceTime=${encodeURIComponent(since)}`), "end\n");
    assert.equal(await work.log("logs", "sinceSeconds=3600"), "1\n2\n3\nend\n");
    await assert.rejects(work.log("several", ""), /container name must be specified/);
  });

  test("a log is rotated at 10 MiB; a follower misses nothing", { timeout: 120_000 }, async () => {
    const line = "x".repeat(1000);
    const script = `i=0; while [ $i -lt 12000 ]; do echo $i ${line}; i=$((i+1)); done; touch /full; until [ -e /go ]; do sleep 0.2; done; echo after`;
    await work.pod("rotate", { restartPolicy: "Never", containers: [runs(script)] });
    const { metadata } = await work.until("rotate", (p) => statusOf(p)?.state?.running !== undefined);
    const followed = work.log("rotate", "follow=true");
    const dir = join(cluster.dataDir, "kubelet/logs/pods", `default_rotate_${metadata.uid}`, "main");
    const files = () => (existsSync(dir) ? readdirSync(dir) : []);
    await eventually("the log is rotated", () => files().length > 1, 70_000);
    await work.exec("rotate", "touch", "/go");
    await work.until("rotate", hasPhase("Succeeded"));
    const lines = (await followed).trimEnd().split("\n");
    assert.equal(lines.length, 12_001);
    assert.equal(lines.at(-1), "after");
    assert.ok(lines.slice(0, -1).every((text, index) => text.startsWith(`${index} x`)));
  });

  test("a CronJob starts a Job on the minute", { timeout: 120_000 }, async () => {
    const template = { spec: { restartPolicy: "Never", containers: [runs("date")] } };
    await work.create(CronJob, "tick", { spec: { schedule: "* * * * *", jobTemplate: { spec: { template } } } });
    const job = await eventually(
      "a Job of the CronJob completes",
      async () =>
        (await work.client.list(Job, { namespace: "default" })).items.find(
          ({ metadata, status }) => metadata.name.startsWith("tick-") && status?.succeeded === 1,
        ),
      90_000,
    );
    assert.equal(job.metadata.ownerReferences![0]!.name, "tick");
    await work.kubectl("delete", "cronjob", "tick");
  });

  const jobOf = (spec: Partial<PodSpec>, more: object = {}) => ({
    spec: { template: { spec: { restartPolicy: "Never", ...spec } }, ...more },
  });
  const jobHas = (type: string) => (job: Job | undefined) =>
    job?.status?.conditions?.some((condition) => condition.type === type && condition.status === "True");

  test("a Job runs its completions in parallel; an indexed one tells each pod its index", async () => {
    const env = [{ name: "I", value: "$(JOB_COMPLETION_INDEX)" }];
    const containers = [runs("echo index $JOB_COMPLETION_INDEX", { env })];
    await work.create(
      Job,
      "indexed",
      jobOf({ containers }, { completions: 3, parallelism: 2, completionMode: "Indexed" }),
    );
    const job = await work.untilObject(Job, "indexed", jobHas("Complete"));
    assert.equal(job.status!.succeeded, 3);
    assert.equal(job.status!.completedIndexes, "0-2");
    const logs = await work.kubectl("logs", "-l", "job-name=indexed");
    assert.deepEqual(logs.trim().split("\n").toSorted(), ["index 0", "index 1", "index 2"]);
  });

  test("a Job gives up after backoffLimit", async () => {
    await work.create(Job, "fails", jobOf({ containers: [runs("exit 1")] }, { backoffLimit: 0 }));
    const job = await work.untilObject(Job, "fails", jobHas("Failed"));
    assert.equal(job.status!.conditions!.find(({ type }) => type === "Failed")!.reason, "BackoffLimitExceeded");
  });

  test("a finished Job goes after ttlSecondsAfterFinished, with its pods", async () => {
    await work.create(Job, "short", jobOf({ containers: [runs("true")] }, { ttlSecondsAfterFinished: 1 }));
    await work.untilObject(Job, "short", jobHas("Complete"));
    await work.untilObject(Job, "short", (job) => job === undefined);
    await eventually(
      "its pods are gone",
      async () =>
        (await work.client.list(Pod, { namespace: "default", labelSelector: "job-name=short" })).items.length === 0,
    );
  });

  test("a DaemonSet has a pod on the node", async () => {
    const labels = { app: "daemon" };
    const template = { metadata: { labels }, spec: { containers: [lives()], terminationGracePeriodSeconds: 1 } };
    await work.create(DaemonSet, "daemon", { spec: { selector: { matchLabels: labels }, template } });
    const set = await work.untilObject(DaemonSet, "daemon", (daemon) => daemon?.status?.numberReady === 1);
    assert.equal(set.status!.desiredNumberScheduled, 1);
    await work.kubectl("delete", "daemonset", "daemon");
  });
});

test("a pod bound by hand to a node whose host port is taken fails; a StatefulSet tries anew until it is free", async () => {
  const onPort = (): PodSpec => ({
    nodeName: cluster.settings.nodeName,
    terminationGracePeriodSeconds: 1,
    containers: [lives("true", { ports: [{ containerPort: 80, hostPort: 21017 }] })],
  });
  await work.pod("holder", onPort());
  await work.until("holder", isReady);
  const overrides = JSON.stringify({ apiVersion: "v1", spec: onPort() });
  await work.kubectl("run", "refused", `--image=${image}`, "--restart=Never", `--overrides=${overrides}`);
  const { status } = await work.until("refused", hasPhase("Failed"));
  const why = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
  assert.deepEqual([status!.reason, status!.message], ["NodePorts", `Pod was rejected: ${why}`]);
  assert.equal(status!.containerStatuses, undefined);
  await work.untilEvent("refused", /^NodePorts: Predicate NodePorts failed/);

  const labels = { app: "refused" };
  const template = { metadata: { labels }, spec: onPort() };
  await work.create(StatefulSet, "set", { spec: { serviceName: "set", selector: { matchLabels: labels }, template } });
  const first = await work.until("set-0", hasPhase("Failed"));
  await work.until("set-0", (pod) => pod !== undefined && pod.metadata.uid !== first.metadata.uid);
  await work.remove("holder");
  await work.until("set-0", isReady);
  await cluster.kill("SIGKILL");
  await cluster.start();
  await work.until("set-0", isReady);
  await work.kubectl("delete", "statefulset", "set");
  await work.until("set-0", (pod) => pod === undefined);
});

test("a NoExecute taint evicts who does not tolerate it, at once or after tolerationSeconds", async () => {
  const toleration = { key: "away", operator: "Exists" as const, effect: "NoExecute" as const };
  await work.pod("evicted", { containers: [lives()] });
  await work.pod("later", { containers: [lives()], tolerations: [{ ...toleration, tolerationSeconds: 8 }] });
  await work.pod("stays", { containers: [lives()], tolerations: [toleration] });
  for (const name of ["evicted", "later", "stays"]) await work.until(name, isReady);
  const { nodeName } = cluster.settings;
  await work.kubectl("taint", "node", nodeName, "away=now:NoExecute");
  await work.until("evicted", (pod) => pod === undefined, 30_000);
  assert.equal((await work.client.get(Pod, "later", "default")).metadata.deletionTimestamp, undefined);
  await work.until("later", (pod) => pod === undefined, 30_000);
  assert.ok(isReady(await work.client.get(Pod, "stays", "default")));
  await work.untilEvent("evicted", /^TaintManagerEviction: /);
  await work.kubectl("taint", "node", nodeName, "away:NoExecute-");
  assert.equal((await work.client.get(Node, nodeName)).spec!.taints, undefined);
});
