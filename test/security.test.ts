// Who gets at what of a running cluster: other users of the machine, containers, strangers, accounts with few rights, and
// tokens whose time is over. The attacks are real ones.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExampleImages } from "../scripts/images.ts";
import { wellKnownAddresses } from "../src/cluster.ts";
import { Event, Service } from "../src/kinds/index.ts";
import { runningPid } from "../src/host/child.ts";
import { run, runOrThrow } from "../src/host/run.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { listeners } from "../src/network/ports.ts";
import { containerdSocket, runDirectory } from "../src/node.ts";
import { containersPossible, eventually, startTestCluster, type TestCluster } from "./harness.ts";
import { image, importTools, isReady, lives, node, workloadsOf, type Workloads } from "./workloads.ts";

let cluster: TestCluster;
let work: Workloads;
/** Everything that must never be printed. */
const secrets = ["hunter2-of-the-test"];

before(async () => {
  assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
  cluster = await startTestCluster("security", ["--log-level", "debug"]);
  await importTools(cluster);
  const web = (await buildExampleImages()).find(({ name }) => name.includes("/web:"))!;
  await importImage(containerdSocket(cluster.settings), web);
  work = await workloadsOf(cluster);
  await work.kubectl("create", "secret", "generic", "keys", `--from-literal=password=${secrets[0]}`);
  await work.kubectl("create", "ingress", "all", "--rule=/*=kubernetes:443");
  const volumes = [{ name: "keys", secret: { secretName: "keys" } }];
  const volumeMounts = [{ name: "keys", mountPath: "/keys" }];
  const env = [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "keys", key: "password" } } }];
  await work.pod("target", {
    automountServiceAccountToken: true,
    volumes,
    containers: [lives("true", { volumeMounts, env })],
  });
  await work.until("target", isReady);
});
after(async () => {
  await work?.[Symbol.asyncDispose]();
  await cluster?.[Symbol.asyncDispose]();
});

/** Knarr, its containerd and its HAProxy with its worker. */
function processes(): Record<"knarr" | "containerd" | "haproxy", number[]> {
  const pid = (file: string) => runningPid(join(cluster.dataDir, file))!;
  const haproxy = pid("ingress/haproxy.pid");
  const workers = readFileSync(`/proc/${haproxy}/task/${haproxy}/children`, "utf8").trim().split(" ").map(Number);
  return { knarr: [pid("knarr.pid")], containerd: [pid("containerd/containerd.pid")], haproxy: [haproxy, ...workers] };
}

function listening(pids: readonly number[]): { protocol: string; address: string; port: number }[] {
  const open = (pid: number) => readdirSync(`/proc/${pid}/fd`).map((fd) => tryLink(`/proc/${pid}/fd/${fd}`));
  const sockets = new Set(pids.flatMap(open));
  return (["tcp", "udp"] as const).flatMap((protocol) =>
    listeners(protocol)
      .filter(({ inode }) => sockets.has(`socket:[${inode}]`))
      .map(({ address, port }) => ({ protocol, address, port })),
  );
}

function tryLink(file: string): string {
  try {
    return readlinkSync(file);
  } catch {
    return "";
  }
}

interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly token?: string;
}

/** One request over HTTP/1.1 without a client certificate; an accepted upgrade counts as 101. */
function ask(path: string, { method = "GET", headers = {}, body, token }: Asked = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const authorization = token ? { authorization: `Bearer ${token}` } : {};
    const { apiPort: port } = cluster.settings;
    const options = { host: "127.0.0.1", port, path, method, rejectUnauthorized: false, agent: false as const };
    const call = request({ ...options, headers: { ...authorization, ...headers } }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode!, text }));
    });
    call.on("upgrade", (_response, socket) => {
      socket.destroy();
      resolve({ status: 101, text: "" });
    });
    call.on("error", reject).end(body);
  });
}

const webSocket = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": Buffer.alloc(16).toString("base64"),
  "sec-websocket-protocol": "v4.channel.k8s.io",
};

async function tokenFor(account: string, ...options: string[]): Promise<string> {
  const token = (await work.kubectl("create", "token", account, ...options)).trim();
  secrets.push(token);
  return token;
}

const pods = "/api/v1/namespaces/default/pods";

describe("other users of the machine", () => {
  test("find only Ingress listening beyond loopback and the pods' bridge", async () => {
    const { gateway, dns } = wellKnownAddresses(cluster.settings);
    const { apiPort, httpPort, httpsPort } = cluster.settings;
    await eventually("HAProxy listens", () => listening(processes().haproxy).length > 0);
    const { knarr, containerd, haproxy } = processes();
    const places = (pids: number[]) =>
      listening(pids)
        .map(({ protocol, address, port }) => `${protocol} ${address}:${port}`)
        .toSorted();
    const expected = [`tcp 127.0.0.1:${apiPort}`, `tcp ${gateway}:${apiPort}`, `tcp ${dns}:53`, `udp ${dns}:53`];
    assert.deepEqual(places(knarr), expected.toSorted());
    const info = await cluster.kubectl(["-n", "kube-public", "get", "configmap", "cluster-info", "-o", "yaml"]);
    assert.ok(info.includes(`server: https://127.0.0.1:${apiPort}`), info);
    assert.deepEqual(places(haproxy), [`tcp 0.0.0.0:${httpPort}`, `tcp 0.0.0.0:${httpsPort}`].toSorted());
    // Who takes what the world sends has no rights and sees no file.
    const worker = `/proc/${haproxy.at(-1)}`;
    assert.match(readFileSync(`${worker}/status`, "utf8"), /^Uid:\t65534\t65534\t65534\t.*^CapEff:\t0+$/ms);
    assert.equal(readlinkSync(`${worker}/root`), join(cluster.dataDir, "ingress/empty"));
    const [streams, ...others] = listening(containerd);
    assert.deepEqual([streams?.address, ...others], ["127.0.0.1"]);
    for (const stream of ["exec", "attach", "portforward"]) {
      // Each stream that the API server opens has a random name there, good once; nobody else has one.
      const answer = await fetch(`http://127.0.0.1:${streams!.port}/${stream}/AAAAAAAA`);
      assert.equal(answer.status, 404);
    }
  });

  test("read no file and open no socket, even when the data directory itself is open to them", async () => {
    chmodSync(cluster.dataDir, 0o755);
    const find = async (...what: string[]) => {
      const as = ["--reuid=65534", "--regid=65534", "--clear-groups", "find"];
      const { stdout } = await run("setpriv", [...as, cluster.dataDir, runDirectory(cluster.settings), ...what]);
      return stdout.trim().split("\n").filter(Boolean);
    };
    try {
      const ours = join(cluster.dataDir, "registries");
      const readable = (await find("-type", "f", "-readable")).filter((file) => !file.startsWith(ours));
      assert.deepEqual(readable, [join(cluster.dataDir, "knarr.pid")]);
      assert.deepEqual(await find("-not", "-type", "l", "-writable"), []);
    } finally {
      chmodSync(cluster.dataDir, 0o700);
    }
  });
});

describe("a container", () => {
  test("sees the API and DNS of the machine, but no kubelet, runtime, loopback, cloud metadata or token", async () => {
    await using metadata = await startMetadata();
    const { gateway, dns } = wellKnownAddresses(cluster.settings);
    const { apiPort, nodeAddress } = cluster.settings;
    const streams = listening(processes().containerd)[0]!.port;
    const targets = {
      api: [gateway, apiPort],
      dns: [dns, 53],
      kubelet: [gateway, 10_250],
      runtime: [gateway, streams],
      "API at the machine's address": [nodeAddress, apiPort],
      credentials: [metadata.address, 80],
      names: [metadata.address, 53],
    };
    const program = `
      const { connect } = require("node:net");
      const reach = (host, port) => new Promise((resolve) => {
        const socket = connect({ host, port, timeout: 3000 });
        const end = (text) => (socket.destroy(), resolve(text));
        socket.once("connect", () => end("open")).once("timeout", () => end("silent")).once("error", (e) => end(e.code));
      });
      const rows = Object.entries(${JSON.stringify(targets)}).map(async ([name, at]) => [name, await reach(...at)]);
      process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      process.removeAllListeners("warning");
      (async () => {
        const found = Object.fromEntries(await Promise.all(rows));
        const { status } = await fetch("https://kubernetes.default.svc/api/v1/secrets");
        const files = require("node:fs").existsSync("/var/run/secrets");
        console.log(JSON.stringify({ ...found, status, files }));
      })();`;
    const reached = async (name: string, spec: object = {}) =>
      JSON.parse((await work.outputOf(name, { ...spec, containers: [node(program)] })).trim().split("\n").at(-1)!);
    const closed = "ECONNREFUSED";
    assert.deepEqual(await reached("explorer"), {
      api: "open",
      dns: "open",
      kubelet: closed,
      runtime: closed,
      "API at the machine's address": closed,
      credentials: closed,
      names: "open",
      status: 401,
      files: false,
    });
    const host = await reached("settler", { hostNetwork: true, dnsPolicy: "ClusterFirstWithHostNet" });
    // The machine itself, and who shares its network, still get there.
    assert.deepEqual([host.credentials, host.names], ["open", "open"]);
  });

  test("in a namespace labelled restricted runs without rights, or not at all", async () => {
    await cluster.kubectl(["apply", "-f", join(import.meta.dirname, "../examples/09-restricted.yaml")]);
    const careful = (...args: string[]) => cluster.tryKubectl(["-n", "careful", ...args]);
    const refused = await careful("run", "bad", `--image=${image}`, "--privileged");
    assert.match(refused.stderr, /violates PodSecurity "restricted:latest": privileged/);
    const debug = await careful("debug", "careful", `--image=${image}`, "--profile=sysadmin");
    assert.match(debug.stderr, /violates PodSecurity/);
    await cluster.kubectl(["-n", "careful", "wait", "--for=condition=Ready", "pod/careful", "--timeout=60s"]);
    const status = (await careful("exec", "careful", "--", "cat", "/proc/self/status")).stdout;
    for (const line of [/^Uid:\t1000\t/m, /^CapBnd:\t0+$/m, /^NoNewPrivs:\t1$/m, /^Seccomp:\t2$/m])
      assert.match(status, line);
  });
});

describe("a client", () => {
  test("without credentials learns health and version, and nothing else", async () => {
    for (const path of ["/livez", "/readyz", "/healthz", "/version"]) assert.equal((await ask(path)).status, 200, path);
    const closed = [
      "/",
      "/api",
      "/apis",
      "/openapi/v2",
      "/openapi/v3",
      "/metrics",
      "/debug/pprof",
      "/debug/pprof/heap",
    ];
    const tricks = ["/livez/ping", "/livez/..%2fapi", "//livez", "/openid/v1/jwks", `${pods}/target/log`, "/logs/"];
    const pretended = { "x-remote-user": "admin", "x-remote-group": "system:masters" };
    for (const path of [...closed, ...tricks]) {
      assert.equal((await ask(path)).status, 401, path);
      assert.equal((await ask(path, { headers: pretended })).status, 401, path);
      assert.equal((await ask(path, { headers: { authorization: "Basic YWRtaW46YWRtaW4=" } })).status, 401, path);
    }
    assert.equal((await ask(`${pods}/target/exec?command=id&stdout=1`, { headers: webSocket })).status, 401);
    assert.equal((await ask("/livez", { headers: { "impersonate-user": "admin" } })).status, 403);
  });

  test("with few rights does what it may and no more, whatever it says it is", async () => {
    await work.kubectl("create", "serviceaccount", "visitor");
    await work.kubectl(
      "create",
      "role",
      "visitor",
      "--verb=get",
      "--resource=pods,pods/log,pods/exec,pods/attach,pods/portforward",
    );
    await work.kubectl("create", "rolebinding", "visitor", "--role=visitor", "--serviceaccount=default:visitor");
    const token = await tokenFor("visitor");
    const status = async (path: string, asked: Asked = {}) => (await ask(path, { token, ...asked })).status;
    await eventually("the role counts", async () => (await status(`${pods}/target`)) === 200);
    assert.equal(await status(`${pods}/target/log`), 200);
    const streams = ["exec?command=id&stdout=1", "attach?stdout=1", "portforward?ports=80"];
    // The right to get would do for a WebSocket's GET, were it not for what it opens.
    for (const stream of streams) {
      assert.equal(await status(`${pods}/target/${stream}`, { headers: webSocket }), 403, stream);
      assert.equal(await status(`${pods}/target/${stream}`, { method: "POST" }), 403, stream);
    }
    const { nodeName } = cluster.settings;
    const others = [
      "/api/v1/secrets",
      "/api/v1/namespaces/default/secrets/keys",
      "/metrics",
      "/debug/pprof",
      "/livez/ping",
    ];
    const proxies = [
      `/api/v1/nodes/${nodeName}/proxy/pods`,
      `${pods}/target/proxy/`,
      "/api/v1/namespaces/default/services/kubernetes/proxy/",
    ];
    for (const path of [...others, ...proxies]) {
      assert.equal(await status(path), 403, path);
      assert.equal(
        await status(path, { headers: { "x-remote-user": "admin", "x-remote-group": "system:masters" } }),
        403,
        path,
      );
      const masters = { "impersonate-user": "admin", "impersonate-group": "system:masters" };
      assert.equal(await status(path, { headers: masters }), 403, path);
    }
    const created = { method: "POST", headers: { "content-type": "application/json" }, body: "{}" };
    assert.equal(await status("/api/v1/namespaces/default/serviceaccounts/default/token", created), 403);
  });

  test("cannot make Knarr connect to the machine's loopback or metadata for it", async () => {
    for (const address of ["127.0.0.1", "169.254.169.254"]) {
      const slice = {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name: "trap", labels: { "kubernetes.io/service-name": "trap" } },
        addressType: "IPv4",
        ports: [{ port: 22 }],
        endpoints: [{ addresses: [address] }],
      };
      const { code, stderr } = await cluster.tryKubectl(["apply", "-f", "-"], { input: JSON.stringify(slice) });
      assert.equal(code, 1);
      assert.match(stderr, /may not be in the (loopback|link-local) range/);
    }
  });

  test("cannot take traffic of the API, DNS or other Services with a host port or an external address", async () => {
    const { gateway, dns, kubernetes } = wellKnownAddresses(cluster.settings);
    const { apiPort } = cluster.settings;
    const ports = [{ containerPort: 9, hostPort: apiPort }];
    await work.pod("thief", { containers: [lives("true", { ports })] }, { labels: { app: "thief" } });
    await work.until("thief", isReady);
    const rows = [apiPort, 443, 53].flatMap((port) => ["TCP", "UDP"].map((protocol) => ({ port, protocol })));
    await work.create(Service, "a-thief", {
      spec: {
        selector: { app: "thief" },
        externalIPs: [gateway, dns, kubernetes],
        ports: rows.map(({ port, protocol }) => ({ name: `${protocol.toLowerCase()}-${port}`, port, protocol })),
      },
    });
    const table = cluster.settings.nftTable;
    const listing = async () => (await runOrThrow("nft", ["list", "table", "ip", table])).stdout;
    await eventually("the rules of the thief are in force", async () => /a-thief/.test(await listing()));
    assert.equal((await ask("/livez")).status, 200);
    const program = `process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
      (async () => {
        for (const url of ["https://${gateway}:${apiPort}", "https://${kubernetes}", "https://kubernetes.default.svc"])
          console.log((await fetch(url + "/livez")).status);
      })();`;
    const text = await work.outputOf("honest", { containers: [node(program)] });
    assert.deepEqual(text.match(/^\d+$/gm), ["200", "200", "200"]);
    await work.kubectl("delete", "service/a-thief", "pod/thief");
  });

  test("a browser cannot be made to write: bodies of forms are refused", async () => {
    const token = await tokenFor("default");
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const asked = { method: "POST", headers: { "content-type": type }, body: "{}", token };
      const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
      assert.equal((await ask(path, asked)).status, 415, type);
    }
  });

  test("learns nothing from errors: neither stack traces nor what it sent as its credentials", async () => {
    const token = await tokenFor("default");
    const bodies = ["", "{", "null", "[]", '{"apiVersion":"v1","kind":"Pod"}', "\u0000", `{"a":${"[".repeat(5000)}`];
    const paths = [
      pods,
      `${pods}/%00`,
      `${pods}/%zz`,
      "/api/v1/../..",
      "/apis/x/y/z?limit=-1",
      `/${"a/".repeat(500)}`,
      "/api/v1/pods?continue=x&limit=1",
    ];
    for (const path of paths) {
      for (const [index, body] of bodies.entries()) {
        for (const sent of [token, `${token}x`]) {
          const method = ["GET", "POST", "PUT", "PATCH", "DELETE"][index % 5]!;
          const type = index % 2 ? "application/json" : "application/yaml";
          const headers = { "content-type": type, "content-length": String(Buffer.byteLength(body)) };
          const { status, text } = await ask(path, { method, headers, body, token: sent });
          assert.ok(status < 500 && !text.includes(token.slice(-40)), `${method} ${path}: ${status} ${text}`);
          assert.doesNotMatch(text, /^ {4}at |node:internal|file:\/\/|\/src\//m);
        }
      }
    }
  });

  test("with the token of a pod is nobody once the pod is gone; so with an account's", async () => {
    const ofPod = (await work.exec("target", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token")).trim();
    await work.kubectl("create", "serviceaccount", "leaver");
    const ofAccount = await tokenFor("leaver");
    secrets.push(ofPod);
    for (const token of [ofPod, ofAccount]) assert.equal((await ask("/api", { token })).status, 200);
    await work.remove("target", 0);
    assert.equal((await ask("/api", { token: ofPod })).status, 401);
    await work.kubectl("delete", "serviceaccount", "leaver");
    assert.equal((await ask("/api", { token: ofAccount })).status, 401);
  });
});

test("what others write gives no commands to the terminal of who looks at it", async () => {
  const involvedObject = { kind: "Pod", namespace: "default", name: "explorer" };
  await work.create(Event, "trick", { involvedObject, reason: "Trick", message: "\u001B]0;owned\u0007here" });
  for (const command of [
    ["get", "events"],
    ["describe", "pod", "explorer"],
  ]) {
    const text = await cluster.knarr(command);
    assert.match(text, /here/);
    assert.ok(!text.includes("\u001B"));
  }
});

describe("what is secret", () => {
  test("is in no output, log, database, command line or environment", async () => {
    const password = "hunter3-of-the-registry";
    const login = ["--docker-server=127.0.0.1:1", "--docker-username=me", `--docker-password=${password}`];
    secrets.push(password, Buffer.from(`me:${password}`).toString("base64"));
    await work.kubectl("create", "secret", "docker-registry", "login", ...login);
    const imagePullSecrets = [{ name: "login" }];
    await work.pod("unpulled", { imagePullSecrets, containers: [{ name: "main", image: "127.0.0.1:1/none:1" }] });
    await work.untilEvent("unpulled", /^Failed: Failed to pull image/);
    const pids = Object.values(processes()).flat();
    const files = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
    const printed = [
      cluster.output(),
      await cluster.knarr(["status"]),
      await work.kubectl("get", "events", "-o", "yaml"),
      await work.kubectl("get", "pods", "-o", "yaml"),
      await cluster.knarr(["describe", "secret", "keys"]),
      await cluster.knarr(["describe", "pod", "explorer"]),
      ...[...files, join(cluster.dataDir, "containerd/containerd.log")].map((file) => readFileSync(file, "utf8")),
      ...["store.db", "store.db-wal"].map((file) => readFileSync(join(cluster.dataDir, file), "latin1")),
    ].join("\n");
    for (const secret of secrets) {
      assert.ok(!printed.includes(secret), "a secret was printed");
      assert.ok(!printed.includes(Buffer.from(secret).toString("base64")), "an encoded secret was printed");
    }
    assert.doesNotMatch(printed, /PRIVATE KEY|eyJhbGciOi/);
  });
});

/** What clouds have at the address that they all use, in a network namespace of this test. */
async function startMetadata(): Promise<AsyncDisposable & { readonly address: string }> {
  const address = "169.254.169.254";
  const [space, here, there] = [`meta-${process.pid}`, `mh${process.pid}`, `mt${process.pid}`];
  const ip = (...args: string[]) => runOrThrow("ip", args);
  await ip("netns", "add", space);
  const started = new AsyncDisposableStack();
  started.defer(async () => void (await run("ip", ["netns", "delete", space])));
  try {
    await ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", space);
    started.defer(async () => void (await run("ip", ["link", "delete", here])));
    await ip("addr", "add", "169.254.169.253/30", "dev", here);
    await ip("link", "set", here, "up");
    await ip("-n", space, "addr", "add", `${address}/30`, "dev", there);
    await ip("-n", space, "link", "set", there, "up");
    const program = `for (const port of [80, 53]) require("node:net").createServer((s) => s.on("error", () => {}).end("credentials"))
      .listen(port, "${address}", () => port === 53 && console.log("listening"));`;
    const server = spawn("ip", ["netns", "exec", space, process.execPath, "-e", program]);
    started.defer(() => void server.kill());
    await new Promise<void>((resolve, reject) => {
      server.stdout.once("data", () => resolve());
      server.once("exit", (code) => reject(new Error(`the metadata server ended: ${code}`)));
    });
    return { address, [Symbol.asyncDispose]: () => started.disposeAsync() };
  } catch (error) {
    await started.disposeAsync();
    throw error;
  }
}
