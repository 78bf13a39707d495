// Hostile clients at the edge: after each of them, and after all of them at once, a client that behaves is served, memory
// returns to where it was, and the process is the same.
import "reflect-metadata";
import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, test } from "node:test";
import { X509Certificate, X509CertificateGenerator } from "@peculiar/x509";
import { parse } from "yaml";
import { connectionOf } from "../src/client/kubeconfig.ts";
import { eventually, startTestCluster, type TestCluster } from "./harness.ts";
import { hostileRows, type Target } from "./hostile-edge-rows.ts";

const megabyte = 1024 * 1024;
const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

describe("hostile clients", { timeout: 600_000 }, () => {
  let cluster: TestCluster;
  let target: Target;
  let agent: Agent;
  let startedAt: string;
  let memoryBefore = 0;

  before(async () => {
    cluster = await startTestCluster("hostile", ["--control-plane-only"]);
    const connection = connectionOf(parse(readFileSync(cluster.kubeconfig, "utf8")), (file) =>
      readFileSync(file, "utf8"),
    );
    const { cert, key } = connection.credentials as { cert: string; key: string };
    target = { port: Number(new URL(connection.server).port), ca: connection.caPem, cert, key };
    agent = new Agent({ keepAlive: true, ca: target.ca, cert, key });
    startedAt = metric(await ask("GET", "/metrics"), "process_start_time_seconds");
  });

  after(async () => {
    agent?.destroy();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** A request of the client that behaves, or of another one. */
  async function ask(method: string, path: string, options: { body?: unknown; agent?: Agent } = {}) {
    const call = request({
      host: "127.0.0.1",
      port: target.port,
      method,
      path,
      agent: options.agent ?? agent,
      headers: { "content-type": "application/json" },
    });
    const response = new Promise<IncomingMessage>((resolve, reject) =>
      call.on("response", resolve).on("error", reject),
    );
    call.end(options.body === undefined ? undefined : JSON.stringify(options.body));
    const message = await response;
    return { status: message.statusCode, text: await text(message) };
  }

  const metric = ({ text: all }: { text: string }, name: string): string =>
    all
      .split("\n")
      .find((line) => line.startsWith(`${name} `))!
      .split(" ")[1]!;

  async function isServed(): Promise<void> {
    const list = await ask("GET", "/api/v1/namespaces");
    assert.equal(list.status, 200, list.text);
    const name = `c-${Math.random().toString(36).slice(2)}`;
    const path = "/api/v1/namespaces/default/configmaps";
    assert.equal((await ask("POST", path, { body: { metadata: { name } } })).status, 201);
    assert.equal((await ask("DELETE", `${path}/${name}`)).status, 200);
  }

  const memory = async () => Number(metric(await ask("GET", "/metrics"), "process_resident_memory_bytes"));

  test("the client that behaves is served", isServed);

  for (const { name, attack } of hostileRows) {
    test(`after ${name}, others are served`, async () => {
      await attack(target);
      await isServed();
    });
  }

  test("certificates prove nothing unless the cluster's authority signed them for now", async () => {
    for (const { name, cert, key, ca, expected } of await oddCertificates(join(cluster.dataDir, "pki"))) {
      const other = new Agent({ ca: target.ca, cert: cert + ca, key });
      const answer = await ask("GET", "/api/v1/namespaces", { agent: other }).catch((error: Error) => error);
      other.destroy();
      if (answer instanceof Error) assert.equal(expected, "refused", `${name}: ${answer.message}`);
      else assert.equal(answer.status, expected, `${name}: ${answer.text}`);
      await isServed();
    }
  });

  test("all at once, and again: others are served meanwhile, and the memory comes back", async () => {
    const all = () => Promise.all(hostileRows.map(({ attack }) => attack(target)));
    await all();
    memoryBefore = await memory();
    let done = false;
    const rounds = (async () => {
      for (let i = 0; i < 3; i++) await all();
      done = true;
    })();
    let served = 0;
    while (!done) {
      await isServed();
      served++;
    }
    await rounds;
    assert.ok(served > 0);
    await eventually("memory is back", async () => (await memory()) < memoryBefore + 100 * megabyte, 120_000);
    assert.equal(metric(await ask("GET", "/metrics"), "process_start_time_seconds"), startedAt);
    await eventually("nothing is left running", async () => {
      const { text: all } = await ask("GET", "/metrics");
      const running =
        all.match(/^apiserver_flowcontrol_current_(?:executing|inqueue)_requests\{.*\} (?!0$)\d+$/gm) ?? [];
      // The request for the metrics themselves.
      return running.length <= 1;
    });
  });
});

/** Client certificates that must not make anybody of anyone. */
async function oddCertificates(directory: string) {
  const pem = (file: string) => readFileSync(join(directory, file), "utf8");
  const pkcs8 = createPrivateKey(pem("ca.key")).export({ type: "pkcs8", format: "der" });
  const caKey = await crypto.subtle.importKey("pkcs8", pkcs8, algorithm, true, ["sign"]);
  const issuer = new X509Certificate(pem("ca.crt")).subject;
  const day = 86_400_000;
  const make = async (subject: string, { signer = caKey, from = -day, until = day, by = issuer } = {}) => {
    const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
    const certificate = await X509CertificateGenerator.create({
      subject,
      issuer: by,
      notBefore: new Date(Date.now() + from),
      notAfter: new Date(Date.now() + until),
      signingKey: signer,
      publicKey: keys.publicKey,
      signingAlgorithm: algorithm,
    });
    const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
    const key = `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)!.join("\n")}\n-----END PRIVATE KEY-----\n`;
    return { cert: `${certificate.toString("pem")}\n`, key, ca: "" };
  };
  const foreign = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const masters = "CN=root, O=system:masters";
  return [
    {
      name: "another authority",
      ...(await make(masters, { signer: foreign.privateKey, by: "CN=other" })),
      expected: 401,
    },
    {
      name: "another authority of the same name",
      ...(await make(masters, { signer: foreign.privateKey })),
      expected: 401,
    },
    { name: "expired", ...(await make(masters, { from: -2 * day, until: -day })), expected: 401 },
    { name: "not valid yet", ...(await make(masters, { from: day, until: 2 * day })), expected: 401 },
    { name: "no name", ...(await make("O=system:masters")), expected: 401 },
    { name: "signed, of nobody in particular", ...(await make("CN=nobody")), expected: 403 },
    { name: "a name with a line break", ...(await make("CN=a\\0Ab, O=x")), expected: 403 },
    { name: "a name of thirty thousand letters", ...(await make(`CN=${"n".repeat(30_000)}`)), expected: 403 },
    { name: "a thousand groups", ...(await make(`CN=many${", O=g".repeat(1000)}`)), expected: 403 },
    { name: "system:anonymous by certificate", ...(await make("CN=system:anonymous")), expected: 403 },
  ];
}
