// Certificates, CAs and keys change while the cluster runs and is used, as `knarr certs` does it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { parse } from "yaml";
import { issue, subjectOf } from "../src/apiserver/auth/pki/issue.ts";
import type { ListedCertificate } from "../src/apiserver/auth/pki/list.ts";
import { madeCa } from "../src/apiserver/auth/pki/testing.ts";
import { clientFromKubeconfig, connectionOf } from "../src/client/kubeconfig.ts";
import type { Connection } from "../src/client/https.ts";
import { ConfigMap } from "../src/kinds/index.ts";
import { realClock } from "../src/machinery/clock.ts";
import { eventually, startTestCluster, type TestCluster } from "./harness.ts";

const readConnection = (file: string): Connection =>
  connectionOf(parse(readFileSync(file, "utf8")), () => assert.fail("everything is in the file"));

/** Fingerprint of the certificate that new connections are shown. */
async function served({ server, caPem }: Connection): Promise<string> {
  const { port } = new URL(server);
  const socket = connect({ host: "127.0.0.1", port: Number(port), ca: caPem });
  await once(socket, "secureConnect");
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

interface Asker {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
  readonly token?: string;
}

/** Status of a request on a connection of its own. */
async function statusOf(server: string, { token, ...tls }: Asker): Promise<number> {
  const agent = new Agent({ ...tls, keepAlive: false });
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const sent = request(`${server}/api/v1/namespaces/default`, { agent, headers }).end();
  const [answer] = await once(sent, "response");
  await text(answer);
  return answer.statusCode;
}

const caCount = (pem: string) => pem.match(/BEGIN CERTIFICATE/g)?.length ?? 0;
const stepNames = ["ca", "front-proxy-ca", "service-account"];

describe("certificates of a running cluster", { timeout: 180_000 }, () => {
  let cluster: TestCluster;
  before(async () => {
    cluster = await startTestCluster("certs", ["--control-plane-only"]);
  });
  after(() => cluster[Symbol.asyncDispose]());
  const admin = () => readConnection(cluster.kubeconfig);
  const adminPair = () => admin().credentials as { cert: string; key: string };
  const listed = async () => JSON.parse(await cluster.knarr(["certs", "list", "-o", "json"])) as ListedCertificate[];
  const rootCa = async (namespace = "default") =>
    cluster.kubectl(["get", "configmap", "-n", namespace, "kube-root-ca.crt", "-o", "jsonpath={.data.ca\\.crt}"]);

  test("they are listed with what matters, and no key is shown or readable by others", async () => {
    const table = await cluster.knarr(["certs", "list"]);
    assert.match(table, /^NAME +USAGES +EXPIRES +DAYS LEFT/);
    assert.match(table, /^serving +server +\d{4}-\d\d-\d\d +364 .*localhost,.*127\.0\.0\.1/m);
    const rows = await listed();
    const expected = ["ca", "front-proxy-ca", "serving", "admin", "front-proxy-client", "service-account"];
    assert.deepEqual(
      rows.map(({ name }) => name),
      expected,
    );
    assert.doesNotMatch(table + JSON.stringify(rows), /PRIVATE/);
    const pki = join(cluster.dataDir, "pki");
    assert.equal(statSync(pki).mode & 0o777, 0o700);
    for (const file of readdirSync(pki)) assert.equal(statSync(join(pki, file)).mode & 0o777, 0o600, file);
  });

  test("new certificates are served while a watch goes on", async () => {
    const seen: string[] = [];
    const watch = spawn("kubectl", ["--kubeconfig", cluster.kubeconfig, "get", "configmaps", "-w", "-o", "name"]);
    watch.stdout.on("data", (chunk: Buffer) => seen.push(chunk.toString("utf8")));
    await eventually("the watch has begun", () => seen.join("").includes("kube-root-ca.crt"));
    const before = { shown: await served(admin()), ...adminPair(), ca: admin().caPem };
    assert.match(await cluster.knarr(["certs", "rotate", "--all"]), /new certificates: serving, admin/);
    assert.notEqual(await served(admin()), before.shown);
    assert.notEqual(adminPair().cert, before.cert, "the kubeconfig has the new pair");
    assert.equal(await statusOf(admin().server, before), 200, "the old one is good until it ends");
    await cluster.kubectl(["create", "configmap", "after-rotation"]);
    await eventually("the watch goes on", () => seen.join("").includes("after-rotation"));
    assert.equal(watch.exitCode, null);
    watch.kill();
    await assert.rejects(cluster.knarr(["certs", "rotate", "nothing"]), /there is no "nothing" to rotate/);
  });

  test("a new CA takes over under load: nothing acknowledged is lost, and who has the new kubeconfig notices nothing", async () => {
    const old = { ...adminPair(), ca: admin().caPem };
    const oldFile = join(cluster.dataDir, "old-kubeconfig");
    writeFileSync(oldFile, readFileSync(cluster.kubeconfig), { mode: 0o600 });
    const acknowledged: string[] = [];
    const refused: unknown[] = [];
    let isDone = false;
    /** Connects anew again and again, with what the file says then. */
    const write = async (writer: string, file: () => string, goesOn: () => boolean) => {
      for (let round = 0; goesOn(); round++) {
        await using client = await clientFromKubeconfig(file(), { component: "test" });
        for (let n = 0; n < 20 && goesOn(); n++) {
          const name = `${writer}-${round}-${n}`;
          try {
            await client.create(ConfigMap, { metadata: { name, namespace: "default" } } as never);
            acknowledged.push(name);
          } catch (error) {
            if (goesOn()) refused.push(error);
          }
        }
      }
    };
    let isFinishing = false;
    const withOld = [1, 2].map((n) =>
      write(
        `old${n}`,
        () => oldFile,
        () => !isFinishing,
      ),
    );
    const withNew = [1, 2].map((n) =>
      write(
        `new${n}`,
        () => cluster.kubeconfig,
        () => !isDone,
      ),
    );
    const written = async (prefix: string, count: number) => {
      const from = acknowledged.length;
      await eventually(
        "more is written",
        () => acknowledged.slice(from).filter((name) => name.startsWith(prefix)).length >= count,
      );
    };
    await written("old", 50);
    assert.match(
      await cluster.knarr(["certs", "rotate", ...stepNames]),
      /certs rotate ca front-proxy-ca service-account --finish/,
    );
    await written("old", 50);
    await written("new", 50);
    for (const namespace of ["default", "kube-system"]) {
      await eventually(`both CAs are known in ${namespace}`, async () => caCount(await rootCa(namespace)) === 2);
    }
    const trust = JSON.parse(
      await cluster.kubectl(["get", "cm", "-n", "kube-system", "extension-apiserver-authentication", "-o", "json"]),
    ).data as Record<string, string>;
    assert.equal(caCount(trust["client-ca-file"]!), 2);
    assert.equal(caCount(trust["requestheader-client-ca-file"]!), 2);
    await cluster.kubectl(["create", "namespace", "between"]);
    assert.equal(caCount(await rootCa("between")), 2);
    assert.equal(await statusOf(admin().server, old), 200);
    assert.deepEqual(
      (await listed()).map(({ name }) => name).filter((name) => name.endsWith("-previous")),
      ["ca-previous", "front-proxy-ca-previous", "service-account-previous"],
    );

    isFinishing = true;
    await Promise.all(withOld);
    const kept = new Agent({ ...old, keepAlive: true, maxSockets: 1 });
    const ask = async () => {
      const [answer] = await once(request(`${admin().server}/api/v1/namespaces`, { agent: kept }).end(), "response");
      await text(answer);
      return answer.statusCode as number;
    };
    assert.equal(await ask(), 200);
    await cluster.knarr(["certs", "rotate", ...stepNames, "--finish"]);
    assert.equal(await ask(), 401, "also on a connection from before");
    kept.destroy();
    assert.equal(await statusOf(admin().server, { ...old, ca: admin().caPem }), 401);
    await assert.rejects(statusOf(admin().server, old), /self-signed|verify|issuer/);
    await written("new", 50);
    isDone = true;
    await Promise.all(withNew);
    assert.deepEqual(refused, []);
    await using client = await clientFromKubeconfig(cluster.kubeconfig, { component: "test" });
    const { items } = await client.list(ConfigMap, { namespace: "default" });
    const there = new Set(items.map(({ metadata }) => metadata.name));
    assert.deepEqual(
      acknowledged.filter((name) => !there.has(name)),
      [],
    );
    await eventually("only the new CA is known", async () => (await rootCa()) === admin().caPem);
  });

  test("the key of tokens changes in two steps, and Secrets get new tokens at the end", async () => {
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/service-account-token",
      metadata: { name: "long", annotations: { "kubernetes.io/service-account.name": "default" } },
    };
    await cluster.kubectl(["create", "-f", "-"], { input: JSON.stringify(secret) });
    const kept = () => cluster.kubectl(["get", "secret", "long", "-o", "jsonpath={.data.token}"]);
    const long = await eventually("the Secret is filled", kept);
    const token = async () => (await cluster.kubectl(["create", "token", "default"])).trim();
    const status = async (one: string) => statusOf(admin().server, { ca: admin().caPem, token: one });
    const good = 403;
    const first = await token();
    await cluster.knarr(["certs", "rotate", "service-account"]);
    const second = await token();
    assert.deepEqual([await status(first), await status(second)], [good, good]);
    const keys = JSON.parse(await cluster.kubectl(["get", "--raw", "/openid/v1/jwks"])) as { keys: unknown[] };
    assert.equal(keys.keys.length, 2);
    assert.equal(await kept(), long);
    await cluster.knarr(["certs", "rotate", "service-account", "--finish"]);
    assert.deepEqual([await status(first), await status(second)], [401, good]);
    const renewed = await eventually("the Secret has a new token", async () => {
      const now = await kept();
      return now !== long && now;
    });
    assert.equal(await status(Buffer.from(renewed, "base64").toString("utf8")), good);
  });

  test("kubeconfigs for others are issued and renewed by one command, and end with the CA", async () => {
    const file = join(cluster.dataDir, "jane");
    const make = () =>
      cluster.knarr(["kubeconfig", "--user", "jane", "--group", "dev", "--group", "qa", "--days", "7", "-o", file]);
    const whoami = async () =>
      JSON.parse(await cluster.kubectl(["--kubeconfig", file, "auth", "whoami", "-o", "json"])).status.userInfo;
    await make();
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { username, groups } = await whoami();
    assert.deepEqual([username, groups], ["jane", ["dev", "qa", "system:authenticated"]]);
    await cluster.knarr(["certs", "rotate", "admin", "--revoke"]);
    await assert.rejects(whoami());
    await make();
    assert.equal((await whoami()).username, "jane");
    assert.match(await cluster.knarr(["kubeconfig", "--user", "joe"]), /name: "joe@t-certs/);
    await assert.rejects(cluster.knarr(["kubeconfig", "--user", "joe", "--days", "0"]), /whole number of days/);
    await assert.rejects(cluster.knarr(["kubeconfig", "--group", "dev"]), /go with --user/);
  });

  test("it works on a stopped cluster too, and a CA put in its place by hand is refused with the way out", async () => {
    await cluster.kill("SIGTERM");
    await cluster.knarr(["certs", "rotate", "ca", "admin", "--revoke"]);
    assert.equal(caCount(admin().caPem), 1);
    await cluster.start();
    await cluster.kubectl(["get", "namespaces"]);
    await eventually("pods find the CA", async () => (await rootCa()) === admin().caPem);

    await cluster.kill("SIGKILL");
    const other = await madeCa({ name: "by-hand", from: Date.now() - 1000 });
    const path = (name: string) => join(cluster.dataDir, "pki", name);
    writeFileSync(path("ca.crt"), other.certPem);
    writeFileSync(path("ca.key"), other.keyPem);
    chmodSync(path("ca.key"), 0o600);
    await assert.rejects(
      cluster.start(),
      /not the CA that issued this cluster's certificates: .*--ca-cert FILE --ca-key FILE/,
    );
    await cluster.knarr(["certs", "rotate", "ca", "--ca-cert", path("ca.crt"), "--ca-key", path("ca.key")]);
    await cluster.start();
    await cluster.kubectl(["get", "namespaces"]);
  });
});

describe("a CA of one's own", { timeout: 120_000 }, () => {
  const files = mkdtempSync(join(tmpdir(), "knarr-own-ca-"));
  after(() => rmSync(files, { recursive: true }));
  const file = (name: string, content: string) => {
    writeFileSync(join(files, name), content, { mode: 0o600 });
    return join(files, name);
  };

  test("an intermediate CA signs; the company's other certificates open nothing; another one follows it live", async () => {
    const from = Date.now() - 60_000;
    const root = await madeCa({ name: "company", key: "rsa", from });
    const middle = await madeCa({ name: "cluster", key: "rsa", from, issuer: root });
    const flags = ["--ca-cert", file("ca.crt", middle.certPem), "--ca-key", file("ca.key", middle.keyPem)];
    await using cluster = await startTestCluster("ownca", ["--control-plane-only", ...flags]);
    await cluster.kubectl(["get", "namespaces"]);
    const { server } = readConnection(cluster.kubeconfig);
    const ask = async (signer: typeof root, ca: string) => {
      const subject = subjectOf({ commonName: "mallory", organizations: ["system:masters"] });
      const { certPem: cert, keyPem: key } = await issue(
        signer,
        { subject, usages: ["client"], seconds: 600 },
        realClock,
      );
      return statusOf(server, { ca, cert, key });
    };
    assert.equal(await ask(middle, root.certPem), 200, "the root alone is enough to trust the server");
    assert.equal(await ask(root, root.certPem), 401);
    const neighbour = await madeCa({ name: "neighbour", from, issuer: root });
    assert.equal(await ask(neighbour, root.certPem), 401);
    const namesake = await madeCa({ name: "cluster", key: "rsa", from, issuer: root });
    assert.equal(await ask(namesake, root.certPem), 401);

    const next = await madeCa({ name: "next", from });
    const newCa = ["--ca-cert", file("next.crt", next.certPem), "--ca-key", file("next.key", next.keyPem)];
    await cluster.knarr(["certs", "rotate", "ca", ...newCa]);
    assert.equal(await ask(middle, root.certPem), 200);
    assert.equal(await ask(next, root.certPem), 200);
    assert.equal(await ask(root, root.certPem), 401);
    await cluster.kubectl(["get", "namespaces"]);
    await cluster.knarr(["certs", "rotate", "ca", "--finish"]);
    assert.equal(await ask(next, next.certPem), 200);
    assert.equal(await ask(middle, next.certPem), 401);
    await cluster.kubectl(["get", "namespaces"]);
    await cluster.kill("SIGTERM");
    await assert.rejects(cluster.start(), /another CA than .*ca\.crt: start it without --ca-cert, or let/);
    assert.doesNotMatch(cluster.output(), /PRIVATE KEY/);
  });
});
