// An API server of its own, on loopback, asked everything that a client can get wrong: each request gets the Status that
// Kubernetes gives, nothing changes, and the server serves on.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ensurePki, type KeyPair } from "../src/apiserver/auth/pki.ts";
import { createTokenIssuer } from "../src/apiserver/auth/tokens.ts";
import { createApi } from "../src/apiserver/core/api.ts";
import { startApiServer, type ApiServer } from "../src/apiserver/http/server.ts";
import { localClient } from "../src/apiserver/local.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import { builtinKinds } from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { realClock } from "../src/machinery/clock.ts";
import type { Status } from "../src/machinery/errors.ts";
import { silentLogger } from "../src/machinery/log.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import type { Store } from "../src/store/store.ts";
import {
  change,
  collections,
  existing,
  invalidObjects,
  invalidUpdates,
  rawRows,
  templates,
  type RawRow,
} from "./bad-input-rows.ts";

const serviceCidr = "10.96.0.0/16";
const issuer = "https://kubernetes.default.svc.cluster.local";

describe("bad input", { timeout: 120_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), "knarr-bad-input-"));
  const stop = new AbortController();
  const agents: Partial<Record<"admin" | "none" | "stranger" | "nobody", Agent>> = {};
  let server: ApiServer;
  let store: Store;

  before(async () => {
    const pkiOptions = { names: ["localhost"], addresses: ["127.0.0.1"], clock: realClock };
    const pki = await ensurePki(join(directory, "pki"), pkiOptions);
    const strangers = await ensurePki(join(directory, "strangers"), pkiOptions);
    store = await openMemoryStore({ clock: realClock, freeze: true });
    const kinds = new KindRegistry(builtinKinds);
    const tokens = createTokenIssuer({ keyPem: pki.serviceAccountKeyPem, store, clock: realClock, issuer });
    const shared = { store, clock: realClock, log: silentLogger, kinds, tokens };
    const api = createApi({ ...shared, serviceCidr, rootCaPem: pki.caPem, clusterDomain: "cluster.local" });
    await bootstrap({ store, clock: realClock, rootCaPem: pki.caPem, serviceCidr });
    server = await startApiServer({
      ...shared,
      api,
      client: localClient(api, store, kinds, "test"),
      pki,
      listen: { host: "127.0.0.1", port: 0 },
      nodes: () => undefined,
      signal: stop.signal,
      version: "test",
    });
    const agent = (pair?: KeyPair) =>
      new Agent({ ca: pki.caPem, keepAlive: true, ...(pair ? { cert: pair.certPem, key: pair.keyPem } : {}) });
    agents.admin = agent(pki.admin);
    agents.none = agent();
    agents.stranger = agent(strangers.admin);
    agents.nobody = agent(await pki.issueClientCertificate({ commonName: "nobody", organizations: [] }));
    await prepare();
  });
  after(async () => {
    for (const agent of Object.values(agents)) agent.destroy();
    stop.abort();
    await server?.close();
    await store?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  async function ask(row: Pick<RawRow, "method" | "target" | "body" | "type" | "headers" | "client">) {
    const body = Buffer.from(typeof row.body === "string" ? row.body : JSON.stringify(row.body ?? ""), "latin1");
    const hasBody = row.body !== undefined;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request({
        host: "127.0.0.1",
        port: server.port,
        path: row.target,
        method: row.method,
        timeout: 5000,
        agent: agents[row.client ?? "admin"]!,
        headers: {
          ...(hasBody ? { "content-type": row.type ?? "application/json", "content-length": body.length } : {}),
          ...row.headers,
        },
      });
      call.on("response", resolve);
      call.on("timeout", () => call.destroy(new Error("no answer within 5 s")));
      call.on("error", reject);
      call.end(hasBody ? body : undefined);
    });
    const answer = await text(response);
    return { code: response.statusCode!, answer, headers: response.headers };
  }

  async function create(target: string, body: object) {
    const { code, answer } = await ask({ method: "POST", target, body });
    assert.equal(code, 201, answer);
  }

  async function prepare() {
    await create(collections.serviceAccount, { ...templates.serviceAccount, metadata: { name: "robot" } });
    for (const [template, name, ...changes] of existing) {
      let object = change(templates[template], "metadata.name", name);
      for (const [path, value] of changes) object = change(object, path, value);
      await create(collections[template], object);
    }
  }

  /** Asks, and holds that the answer is that Status and that nothing changed. */
  async function refused(row: RawRow): Promise<Status> {
    const revision = store.revision;
    const { code, answer } = await ask(row);
    assert.equal(code, row.code, answer.slice(0, 500));
    const status = JSON.parse(answer) as Status;
    assert.equal(status.kind, "Status");
    assert.equal(status.status, "Failure");
    assert.equal(status.code, row.code);
    assert.equal(status.reason, row.reason, status.message ?? "");
    assert.match(status.message ?? "", row.message ?? /./);
    assert.equal(store.revision, revision, "something was written");
    return status;
  }

  function blames(status: Status, field: string, fault: string): void {
    const causes = status.details?.causes ?? [];
    assert.ok(
      causes.some((cause) => cause.field === field && cause.reason === `FieldValue${fault}`),
      `${field} ${fault} is not in ${JSON.stringify(causes).slice(0, 800)}`,
    );
  }

  const short = (value: unknown) => (JSON.stringify(value) ?? "nothing").slice(0, 60);

  test("every template is valid, and a dry run of it stores nothing", async () => {
    for (const [name, template] of Object.entries(templates)) {
      const revision = store.revision;
      const target = `${collections[name as keyof typeof templates]}?dryRun=All&fieldValidation=Strict`;
      const { code, answer } = await ask({ method: "POST", target, body: template });
      assert.equal(code, 201, `${name}: ${answer}`);
      assert.equal(store.revision, revision);
    }
  });

  describe("a new object is refused with the path of what is wrong", () => {
    for (const [template, path, value, field, fault] of invalidObjects) {
      test(`${template} with ${path} ${short(value)}`, async () => {
        const body = change(templates[template], path, value);
        const row = { what: "", method: "POST", target: collections[template], body, code: 422 } as const;
        blames(await refused({ ...row, reason: "Invalid" }), field, fault);
      });
    }
  });

  describe("a change of what cannot change is refused", () => {
    for (const [template, name, path, value, field, fault] of invalidUpdates) {
      test(`${template} ${name} with ${path} ${short(value)}`, async () => {
        const target = `${collections[template]}/${name}`;
        const { answer } = await ask({ method: "GET", target });
        const body = change(JSON.parse(answer), path, value);
        const row = { what: "", method: "PUT", target, body, code: 422 } as const;
        const isUid = path === "metadata.uid";
        const expected = isUid
          ? ({ ...row, code: 409, reason: "Conflict" } as const)
          : { ...row, reason: "Invalid" as const };
        const status = await refused(expected);
        if (!isUid) blames(status, field, fault);
      });
    }
  });

  describe("any other request that makes no sense gets its Status", () => {
    for (const row of rawRows) test(row.what, async () => void (await refused(row)));
  });

  test("a path, group or version that does not exist is a page that does not exist", async () => {
    for (const target of ["/nothing", "/apis/fish.example/v1/boats", "/apis/apps/v7/deployments"]) {
      const { code, answer } = await ask({ method: "GET", target });
      assert.deepEqual([code, answer], [404, "404 page not found\n"]);
    }
  });

  test("an unknown field is dropped with a warning, or silently when asked so", async () => {
    const body = { ...templates.configMap, colour: "red" };
    for (const level of ["Warn", "Ignore"]) {
      const target = `${collections.configMap}?fieldValidation=${level}&dryRun=All`;
      const { code, answer, headers } = await ask({ method: "POST", target, body });
      assert.equal(code, 201);
      assert.equal(JSON.parse(answer).colour, undefined);
      assert.equal(/unknown field/.test(String(headers.warning)), level === "Warn");
    }
  });

  test("what was refused leaves nothing behind", async () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const rows = rawRows.filter(({ code }) => code !== 504);
    const heapAfter = async (rounds: number) => {
      for (let i = 0; i < rounds; i++) for (const row of rows) await ask(row);
      collect();
      return process.memoryUsage().heapUsed;
    };
    const before = await heapAfter(2);
    const grown = (await heapAfter(8)) - before;
    assert.ok(grown < 4 * 2 ** 20, `${rows.length * 8} refusals took ${grown} bytes`);
  });

  test("the server serves on", async () => {
    assert.ok(invalidObjects.length + invalidUpdates.length + rawRows.length >= 150);
    assert.equal((await ask({ method: "GET", target: "/readyz" })).answer, "ok");
    await create(collections.configMap, change(templates.configMap, "metadata.name", "afterwards"));
  });
});
