// Every kubectl command that a user of one cluster needs, with today's kubectl and with Debian's 1.20 (SPDY only).
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { findCommand } from "../src/host/packages.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { containerdSocket } from "../src/node.ts";
import { buildExampleImages } from "../scripts/images.ts";
import { containersPossible, eventually, freePort, oldKubectl, startTestCluster, type TestCluster } from "./harness.ts";
import { request } from "./traffic.ts";
import { image as tools, importTools } from "./workloads.ts";

const web = "knarr.dev/examples/web:1";

/** Command line → what it must print. Run in this order. */
const commands: readonly (readonly [string, RegExp])[] = [
  ["version", /Server Version.*v?1\.36|GitVersion:"v1\.36/s],
  ["cluster-info", /control plane.* is running at/],
  ["api-resources", /deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/],
  ["api-versions", /^apps\/v1$/m],
  ["get nodes", /Ready/],
  ["get nodes -o wide", /containerd:\/\//],
  ["get namespaces", /kube-system\s+Active/],
  ["create namespace tools", /namespace\/tools created/],
  ["create deployment web --image=IMAGE --replicas=2", /deployment.apps\/web created/],
  ["rollout status deployment/web --timeout=60s", /successfully rolled out/],
  ["get deployments,replicasets,pods -o wide", /web\s+2\/2\s+2\s+2/],
  ["get pods -o jsonpath={.items[*].status.phase}", /^Running Running$/],
  ["get pods -o yaml", /kind: List/],
  ["get deployment web -o json", /"kind": "Deployment"/],
  ["get all", /deployment.apps\/web/],
  ["describe deployment web", /StrategyType:\s+RollingUpdate[\s\S]*ScalingReplicaSet/],
  ["describe pods", /Node:[\s\S]*Started/],
  ["describe node", /Capacity:[\s\S]*Allocated resources/],
  ["expose deployment web --port=80 --target-port=8080", /service\/web exposed/],
  ["get service web -o wide", /ClusterIP\s+10\.\d+\.\d+\.\d+\s+<none>\s+80\/TCP/],
  ["describe service web", /Endpoints:\s+10\./],
  ["get endpoints web", /:8080/],
  ["label deployment web team=fish", /labeled/],
  ["annotate deployment web note=fresh", /annotated/],
  ["get deployments -l team=fish --show-labels", /team=fish/],
  ["get deployments -l team notin (fish)", /^$|No resources/],
  ["scale deployment web --replicas=3", /scaled/],
  ["wait deployment/web --for=condition=Available --timeout=60s", /condition met/],
  ["set image deployment/web web=IMAGE", /^$|image updated/],
  ["set env deployment/web RELEASE=2", /env updated/],
  ["rollout status deployment/web --timeout=90s", /successfully rolled out/],
  ["rollout history deployment/web", /REVISION[\s\S]*1[\s\S]*2/],
  ["rollout undo deployment/web", /rolled back/],
  ["rollout restart deployment/web", /restarted/],
  ["rollout pause deployment/web", /paused/],
  ["rollout resume deployment/web", /resumed/],
  ["rollout status deployment/web --timeout=90s", /successfully rolled out/],
  ["explain deployment.spec.replicas", /integer/],
  ["explain pod.spec.containers --recursive", /imagePullPolicy/],
  ["auth can-i create pods", /^yes/],
  ["auth can-i create pods --as=nobody", /^no/],
  ["create configmap settings --from-literal=colour=blue", /created/],
  ["create secret generic key --from-literal=k=v", /created/],
  ["get configmap settings -o jsonpath={.data.colour}", /^blue$/],
  ['patch configmap settings -p {"data":{"colour":"red"}}', /patched/],
  ["create serviceaccount robot", /created/],
  ["create role reader --verb=get,list --resource=pods", /created/],
  ["create rolebinding reads --role=reader --serviceaccount=default:robot", /created/],
  ["auth can-i list pods --as=system:serviceaccount:default:robot", /^yes/],
  ["auth can-i delete pods --as=system:serviceaccount:default:robot", /^no/],
  ["get events", /Scheduled/],
  ["delete deployment web", /deleted/],
  ["wait --for=delete pod -l app=web --timeout=60s", /.*/],
  ["delete service,configmap,secret,serviceaccount,role,rolebinding --all", /deleted/],
  ["delete namespace tools", /deleted/],
];

describe("kubectl", { timeout: 600_000 }, () => {
  let cluster: TestCluster;
  const clients: { name: string; binary: string }[] = [];

  before(async () => {
    assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
    const installed = findCommand("kubectl");
    if (installed) clients.push({ name: "kubectl on PATH", binary: installed });
    clients.push({ name: "kubectl 1.20", binary: await oldKubectl() });
    cluster = await startTestCluster("kubectl");
    for (const image of await buildExampleImages()) await importImage(containerdSocket(cluster.settings), image);
    await importTools(cluster);
  });
  after(async () => cluster?.[Symbol.asyncDispose]());

  const eachClient = async (
    body: (
      run: (args: string[], input?: string, env?: Record<string, string>) => Promise<string>,
      binary: string,
    ) => Promise<void>,
  ) => {
    for (const { binary } of clients)
      await body((args, input, env) => cluster.kubectl(args, { binary, input, env }), binary);
  };

  test("the everyday commands print what they should", async () => {
    await eachClient(async (_run, binary) => {
      for (const [line, expected] of commands) {
        const { code, stdout, stderr } = await cluster.tryKubectl(split(line.replaceAll("IMAGE", web)), { binary });
        assert.match(stdout, expected, `${binary} ${line}: ${stderr}`);
        // A "no" is an answer, and kubectl says it with its code as well.
        assert.equal(code, stdout.startsWith("no") ? 1 : 0, `${binary} ${line}: ${stderr}`);
      }
    });
  });

  test("run, logs -f, exec with input, cp, port-forward, attach and top reach into containers", async () => {
    await eachClient(async (run, binary) => {
      await run([
        "run",
        "shell",
        `--image=${web}`,
        "--command",
        "--",
        "sh",
        "-c",
        "i=0; while true; do echo line $i; i=$((i+1)); sleep 0.2; done",
      ]);
      await run(["wait", "--for=condition=Ready", "pod/shell", "--timeout=60s"]);
      assert.match(await run(["logs", "shell", "--tail=1"]), /^line \d+\n$/);
      assert.match(await run(["exec", "-i", "shell", "--", "tr", "a-z", "A-Z"], "shout\n"), /^SHOUT\n$/);
      const failing = await cluster.tryKubectl(["exec", "shell", "--", "sh", "-c", "echo oops >&2; exit 7"], {
        binary,
      });
      assert.equal(failing.code, 7);
      assert.match(failing.stderr, /oops/);
      const directory = mkdtempSync(join(tmpdir(), "knarr-cp-"));
      try {
        const big = "0123456789".repeat(200_000);
        writeFileSync(join(directory, "up"), big);
        await run(["cp", join(directory, "up"), "shell:/tmp/up"]);
        await run(["cp", "shell:/tmp/up", join(directory, "down")]);
        assert.equal(readFileSync(join(directory, "down"), "utf8"), big);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
      await following(cluster, binary, ["logs", "-f", "shell", "--since=1s"], /line \d+\nline \d+\n/);
      await run(["delete", "pod", "shell", "--grace-period=0", "--force"]);

      await run(["run", "server", `--image=${web}`, "--port=8080"]);
      await run(["wait", "--for=condition=Ready", "pod/server", "--timeout=60s"]);
      const port = await freePort();
      await following(cluster, binary, ["port-forward", "pod/server", `${port}:8080`], /Forwarding from/, async () => {
        for (let i = 0; i < 5; i++)
          assert.equal((await request({ address: "127.0.0.1", port, path: "/healthz" })).body, "ok\n");
      });
      await eventually("kubectl top knows the pod", async () =>
        /server\s+\d+m\s+\d+Mi/.test((await cluster.tryKubectl(["top", "pods"], { binary })).stdout),
      );
      assert.match(await run(["top", "nodes"]), /%/);
      await run(["delete", "pod", "server", "--wait=true"]);
    });
  });

  test("apply, diff, edit, replace and server-side apply change objects; a second apply changes nothing", async () => {
    await eachClient(async (run, binary) => {
      const file = join(import.meta.dirname, "../examples/07-statefulset.yaml");
      assert.match(await run(["apply", "-f", file]), /statefulset.apps\/store created/);
      assert.match(await run(["apply", "-f", file]), /statefulset.apps\/store (unchanged|configured)/);
      assert.equal((await cluster.tryKubectl(["diff", "-f", file], { binary })).code, 0);
      const changed = readFileSync(file, "utf8").replace("replicas: 3", "replicas: 1");
      const diff = await cluster.tryKubectl(["diff", "-f", "-"], { binary, input: changed });
      assert.equal(diff.code, 1);
      assert.match(diff.stdout, /-  replicas: 3\n\+  replicas: 1/);
      await run(["apply", "-f", "-"], changed);
      assert.equal(await run(["get", "statefulset", "store", "-o", "jsonpath={.spec.replicas}"]), "1");
      assert.match(
        await run(["apply", "--server-side", "--force-conflicts", "-f", "-"], changed),
        /serverside-applied/,
      );
      await run(["edit", "service", "store"], undefined, { KUBE_EDITOR: "sed -i s/6379/6380/" });
      assert.equal(await run(["get", "service", "store", "-o", "jsonpath={.spec.ports[0].port}"]), "6380");
      await run(["delete", "-f", file]);
      await run(["delete", "pvc", "-l", "app=store"]);
    });
  });

  test("an update demo is created, scaled down and up, each pod serving, and stopped", async () => {
    const metadata = { labels: { name: "update-demo" } };
    const containers = [{ name: "update-demo", image: web, ports: [{ containerPort: 8080 }] }];
    const template = { metadata, spec: { terminationGracePeriodSeconds: 1, containers } };
    const name = "update-demo";
    const spec = { replicas: 2, selector: { name }, template };
    const demo = JSON.stringify({ apiVersion: "v1", kind: "ReplicationController", metadata: { name }, spec });
    const serving = (replicas: number) =>
      eventually(`${replicas} pods serve`, async () => {
        const pods = (await cluster.kubectl(["get", "pods", "-l", "name=update-demo", "-o", "name"]))
          .trim()
          .split("\n");
        assert.equal(pods.length, replicas);
        for (const pod of pods) {
          const path = `/api/v1/namespaces/default/${pod.replace("pod/", "pods/")}:8080/proxy/healthz`;
          assert.equal(await cluster.kubectl(["get", "--raw", path]), "ok\n");
        }
        return true;
      });
    await cluster.kubectl(["create", "-f", "-"], { input: demo });
    await serving(2);
    for (const replicas of [1, 2]) {
      await cluster.kubectl(["scale", "rc", "update-demo", `--replicas=${replicas}`, "--timeout=60s"]);
      await serving(replicas);
    }
    await cluster.kubectl(["delete", "--grace-period=0", "--force", "-f", "-"], { input: demo });
    await eventually("nothing is left", async () => {
      const left = await cluster.kubectl(["get", "rc,pods", "-l", "name=update-demo", "--no-headers", "-o", "name"]);
      return left === "";
    });
  });

  test("a guestbook of three tiers takes entries and shows them, and is stopped", async () => {
    // The front end writes to the primary and reads from a replica, which asks the primary.
    const program = `
      const { ROLE } = process.env, ask = async (host, url) => (await fetch("http://" + host + url)).text();
      let entry = "";
      require("node:http").createServer(async ({ url }, response) => {
        const query = new URL(url, "http://x").searchParams, sets = query.get("cmd") === "set";
        try {
          if (ROLE === "primary") response.end(sets ? (entry = query.get("value")) : entry);
          else if (ROLE === "replica") response.end(await ask("primary", url));
          else if (sets) response.end(JSON.stringify({ message: (await ask("primary", url)) && "Updated" }));
          else response.end(JSON.stringify({ data: await ask("replica", url) }));
        } catch (error) { response.writeHead(500).end(String(error)); }
      }).listen(8080);
      process.on("SIGTERM", () => process.exit());`;
    const tiers = { primary: 1, replica: 2, frontend: 2 };
    const items = Object.entries(tiers).flatMap(([name, replicas]) => {
      const labels = { app: "guestbook", tier: name };
      const env = [{ name: "ROLE", value: name }];
      const containers = [{ name, image: tools, command: ["node", "-e", program], env }];
      const template = { metadata: { labels }, spec: { containers } };
      const metadata = { name, labels };
      const spec = { replicas, selector: { matchLabels: labels }, template };
      const ports = [{ port: 80, targetPort: 8080 }];
      return [
        { apiVersion: "v1", kind: "Service", metadata, spec: { selector: labels, ports } },
        { apiVersion: "apps/v1", kind: "Deployment", metadata, spec },
      ];
    });
    const guestbook = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    await cluster.kubectl(["create", "-f", "-"], { input: guestbook });
    const book = "/api/v1/namespaces/default/services/frontend/proxy/guestbook";
    const answers = (query: string, expected: object) =>
      eventually(`${query} is answered`, async () => {
        const { stdout, stderr } = await cluster.tryKubectl(["get", "--raw", `${book}?key=messages&${query}`]);
        assert.equal(stdout, JSON.stringify(expected), stderr);
        return true;
      });
    await answers("cmd=get", { data: "" });
    await answers("cmd=set&value=TestEntry", { message: "Updated" });
    await answers("cmd=get", { data: "TestEntry" });
    await cluster.kubectl(["delete", "--grace-period=0", "--force", "-f", "-"], { input: guestbook });
    await eventually("nothing is left", async () => {
      const kinds = "deployments,replicasets,services,pods";
      return (await cluster.kubectl(["get", kinds, "-l", "app=guestbook", "-o", "name"])) === "";
    });
  });

  test("logs are filtered by lines, bytes and time", async () => {
    await eachClient(async (run) => {
      const script = "for i in 1 2 3 4 5; do echo line $i; done; sleep 3; while :; do echo late; sleep 1; done";
      await run(["run", "logger", `--image=${web}`, "--command", "--", "sh", "-c", script]);
      await run(["wait", "--for=condition=Ready", "pod/logger", "--timeout=60s"]);
      const lines = async (...flags: string[]) =>
        (await run(["logs", "logger", "logger", ...flags])).trimEnd().split("\n");
      await eventually("lines come late", async () => (await lines()).includes("late"));
      assert.deepEqual(
        (await lines()).slice(0, 5),
        [1, 2, 3, 4, 5].map((i) => `line ${i}`),
      );
      assert.equal((await lines("--tail=1")).length, 1);
      assert.equal(await run(["logs", "logger", "--limit-bytes=1"]), "l");
      const [stamped, ...more] = await lines("--tail=1", "--timestamps");
      assert.match(stamped!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z late$/);
      assert.deepEqual(more, []);
      const all = await lines("--since=24h");
      const recent = await lines("--since=2s");
      assert.ok(recent.length < all.length && recent.every((line) => line === "late"), recent.join());
      await run(["delete", "pod", "logger", "--grace-period=0", "--force"]);
    });
  });
});

/** Splits at spaces, keeping what stands in parentheses together. */
const split = (line: string) => line.match(/(?:\([^)]*\)|[^\s(])+(?:\s(?:notin|in)\s\([^)]*\))?/g)!;

/** Runs a command that does not end by itself; ends it once its output matches and `meanwhile` is done. */
async function following(
  cluster: TestCluster,
  binary: string,
  args: string[],
  expected: RegExp,
  meanwhile?: () => Promise<void>,
): Promise<void> {
  const child = spawn(binary, ["--kubeconfig", cluster.kubeconfig, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  try {
    await eventually(`${args.join(" ")} prints ${expected}`, () => expected.test(output), 20_000);
    await meanwhile?.();
  } finally {
    child.kill("SIGKILL");
  }
}
