// The official JavaScript client against store, API and HTTP in this process: what programs written with it rely on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import {
  ApiException,
  AppsV1Api,
  CoreV1Api,
  Exec,
  KubeConfig,
  KubernetesObjectApi,
  Log,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
  VersionApi,
  Watch,
  type V1ConfigMap,
  type V1Deployment,
  type V1Status,
} from "@kubernetes/client-node";
import { ensurePki, type Pki } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { startApiServer, type ApiServer } from "../src/apiserver/http/server.ts";
import { fakeNode } from "../src/apiserver/streaming/testing.ts";
import { testApi } from "../src/apiserver/testing.ts";
import { ConfigMap } from "../src/kinds/index.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { eventually } from "./harness.ts";

const namespace = "default";
const configMap = (name: string, data: Record<string, string>) => ({ metadata: { name }, data });
const path = `/api/v1/namespaces/${namespace}/configmaps`;

const runtime = fakeNode({
  run: ([command, ...args], stdin) =>
    command === "false" ? { stderr: "no\n", exitCode: 3 } : { stdout: `${args.join(" ")}${stdin}\n` },
  logLines: ["one", "two", "three"],
});

describe("the JavaScript client", { timeout: 60_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "knarr-client-node-"));
  const config = new KubeConfig();
  let parts: Awaited<ReturnType<typeof testApi>>;
  let pki: Pki;
  let server: ApiServer;
  let core: CoreV1Api;

  const serve = (port: number) => {
    const { store } = parts;
    const tokens = createTokenIssuer({
      keyPem: pki.serviceAccountKeyPem,
      store,
      clock: realClock,
      issuer: "https://t",
    });
    return startApiServer({
      ...parts,
      pki,
      tokens,
      listen: { host: "127.0.0.1", port },
      nodes: (name) => (name === "n1" ? runtime : undefined),
      log: silentLogger,
      signal: new AbortController().signal,
      version: "test",
    });
  };

  before(async () => {
    parts = await testApi();
    pki = await ensurePki(directory, { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock });
    server = await serve(0);
    const base64 = (pem: string) => Buffer.from(pem).toString("base64");
    const { certPem, keyPem } = pki.admin;
    config.loadFromClusterAndUser(
      { name: "k", server: server.url, caData: base64(pki.caPem), skipTLSVerify: false },
      { name: "k", certData: base64(certPem), keyData: base64(keyPem) },
    );
    core = config.makeApiClient(CoreV1Api);
  });
  after(async () => {
    await server?.close();
    await parts?.store.close();
    rmSync(directory, { recursive: true, force: true });
  });

  test("creates, reads, lists in chunks, replaces and deletes", async () => {
    for (const name of ["a", "b", "c"]) {
      const made = await core.createNamespacedConfigMap({ namespace, body: configMap(name, { key: name }) });
      assert.ok(made.metadata?.creationTimestamp instanceof Date);
    }
    const first = await core.listNamespacedConfigMap({ namespace, limit: 2 });
    assert.equal(first.items.length, 2);
    const rest = await core.listNamespacedConfigMap({ namespace, limit: 2, _continue: first.metadata!._continue! });
    const names = [...first.items, ...rest.items].map(({ metadata }) => metadata!.name);
    assert.deepEqual(names, ["a", "b", "c", "kube-root-ca.crt"]);
    const read = await core.readNamespacedConfigMap({ namespace, name: "a" });
    const replaced = await core.replaceNamespacedConfigMap({
      namespace,
      name: "a",
      body: { ...read, data: { x: "y" } },
    });
    assert.deepEqual(replaced.data, { x: "y" });
    const stale = core.replaceNamespacedConfigMap({ namespace, name: "a", body: read });
    await assert.rejects(stale, (error) => error instanceof ApiException && error.code === 409);
    const done = await core.deleteNamespacedConfigMap({ namespace, name: "a" });
    assert.equal(done.status, "Success");
    const gone = core.readNamespacedConfigMap({ namespace, name: "a" });
    await assert.rejects(gone, (error) => error instanceof ApiException && error.code === 404);
  });

  test("patches in all four ways", async () => {
    await core.createNamespacedConfigMap({ namespace, body: configMap("patched", { kept: "1", gone: "1" }) });
    const patch = (strategy: PatchStrategy, body: unknown, fieldManager?: string) =>
      core.patchNamespacedConfigMap(
        { namespace, name: "patched", body, ...(fieldManager ? { fieldManager } : {}) },
        setHeaderOptions("Content-Type", strategy),
      );
    const json = await patch(PatchStrategy.JsonPatch, [{ op: "add", path: "/data/json", value: "2" }]);
    assert.deepEqual(json.data, { kept: "1", gone: "1", json: "2" });
    const merged = await patch(PatchStrategy.MergePatch, { data: { gone: null, merge: "3" } });
    assert.deepEqual(merged.data, { kept: "1", json: "2", merge: "3" });
    const strategic = await patch(PatchStrategy.StrategicMergePatch, { data: { $patch: "replace", strategic: "4" } });
    assert.deepEqual(strategic.data, { strategic: "4" });
    const object = { apiVersion: "v1", kind: "ConfigMap", ...configMap("patched", { applied: "5" }) };
    const applied = await patch(PatchStrategy.ServerSideApply, object, "me");
    assert.deepEqual(applied.data, { strategic: "4", applied: "5" });
    assert.equal(applied.metadata!.managedFields!.find(({ manager }) => manager === "me")?.operation, "Apply");
    const conflicting = { ...object, data: { strategic: "mine" } };
    const refused = patch(PatchStrategy.ServerSideApply, conflicting, "me");
    await assert.rejects(refused, (error) => error instanceof ApiException && error.code === 409);
  });

  test("finds kinds by discovery for objects of any kind", async () => {
    const objects = KubernetesObjectApi.makeApiClient(config);
    const made = await objects.create<V1Deployment>({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace },
      spec: {
        selector: { matchLabels: { app: "web" } },
        template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "web", image: "web:1" }] } },
      },
    });
    assert.equal(made.metadata!.name, "web");
    const { items } = await objects.list("apps/v1", "Deployment", namespace);
    assert.equal(items.length, 1);
    const apps = config.makeApiClient(AppsV1Api);
    const scale = await apps.readNamespacedDeploymentScale({ namespace, name: "web" });
    const body = { ...scale, spec: { replicas: 3 } };
    assert.equal((await apps.replaceNamespacedDeploymentScale({ namespace, name: "web", body })).spec!.replicas, 3);
    assert.match((await config.makeApiClient(VersionApi).getCode()).gitVersion, /^v1\.36/);
  });

  test("watches from a version on", async () => {
    const { metadata } = await core.listNamespacedConfigMap({ namespace });
    const seen: string[] = [];
    const ended = Promise.withResolvers<void>();
    const query = { resourceVersion: metadata!.resourceVersion };
    const watch = await new Watch(config).watch(
      path,
      query,
      (type, object) => seen.push(`${type} ${object.metadata.name}`),
      () => ended.resolve(),
    );
    await core.createNamespacedConfigMap({ namespace, body: configMap("watched", {}) });
    await core.deleteNamespacedConfigMap({ namespace, name: "watched" });
    await eventually("both events", () => seen.length >= 2);
    assert.deepEqual(seen, ["ADDED watched", "DELETED watched"]);
    watch.abort();
    await ended.promise;
  });

  test("an informer recovers after the server has restarted", async () => {
    const informer = makeInformer<V1ConfigMap>(config, path, () => core.listNamespacedConfigMap({ namespace }));
    let stopped = false;
    let failures = 0;
    // The client's own advice: start again a little later.
    informer.on("error", () => {
      failures++;
      setTimeout(() => stopped || void informer.start(), 50);
    });
    await informer.start();
    assert.ok(informer.get("kube-root-ca.crt", namespace));
    const { port } = server;
    await server.close();
    // What happens while the server is away to HTTP clients.
    await parts.client.create(ConfigMap, {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "meanwhile", namespace },
    });
    await eventually("the client notices", () => failures > 0);
    server = await serve(port);
    await eventually("what was missed", () => informer.get("meanwhile", namespace));
    await core.deleteNamespacedConfigMap({ namespace, name: "meanwhile" });
    await eventually("what comes later", () => informer.get("meanwhile", namespace) === undefined);
    stopped = true;
    await informer.stop();
  });

  test("exec carries streams and exit codes, and logs come", async () => {
    await core.createNode({ body: { metadata: { name: "n1" } } });
    const spec = { nodeName: "n1", containers: [{ name: "main", image: "x" }] };
    await core.createNamespacedPod({ namespace, body: { metadata: { name: "p" }, spec } });

    const run = async (command: string[], stdin?: string) => {
      const [out, error] = [new PassThrough(), new PassThrough()];
      const status = Promise.withResolvers<V1Status>();
      const input = stdin === undefined ? null : Readable.from([stdin]);
      const exec = new Exec(config).exec(namespace, "p", "main", command, out, error, input, false, status.resolve);
      const socket = await exec;
      const closed = once(socket as unknown as NodeJS.EventEmitter, "close");
      const verdict = await status.promise;
      await closed;
      out.end();
      error.end();
      return { verdict, out: await text(out), error: await text(error) };
    };
    const echoed = await run(["echo", "a", "b"]);
    assert.deepEqual([echoed.verdict.status, echoed.out, echoed.error], ["Success", "a b\n", ""]);
    assert.equal((await run(["cat"], "typed")).out, "typed\n");
    const failed = await run(["false"]);
    assert.deepEqual([failed.verdict.status, failed.error], ["Failure", "no\n"]);
    assert.equal(failed.verdict.details?.causes?.[0]?.message, "3");

    const printed = new PassThrough();
    await new Log(config).log(namespace, "p", "main", printed, { tailLines: 2 });
    assert.equal(await text(printed), "two\nthree\n");
    const whole = await core.readNamespacedPodLog({ namespace, name: "p" });
    assert.equal(whole, "one\ntwo\nthree\n");
  });
});
