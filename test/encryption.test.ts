// A cluster's Secrets on disk: in no file in plain text whatever happens, readable after every kill, refused without the key.
import assert from "node:assert/strict";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { dataDirectory, filesWith, prefixes } from "../src/apiserver/encryption/testing.ts";
import { keyFileOf, readKeyFile } from "../src/apiserver/encryption/key-file.ts";
import { KmsPlugin } from "../src/apiserver/encryption/testing-kms.ts";
import { clientFromKubeconfig } from "../src/client/kubeconfig.ts";
import { Secret } from "../src/kinds/index.ts";
import { eventually, startTestCluster, type TestCluster } from "./harness.ts";

const base64 = (text: string) => Buffer.from(text).toString("base64");
const connect = (cluster: TestCluster) => clientFromKubeconfig(cluster.kubeconfig, { component: "test" });
const currentPrefix = ({ dataDir }: TestCluster) => `k8s:enc:aesgcm:v1:${readKeyFile(keyFileOf(dataDir))![0]!.name}:`;

test("Secrets on disk", { timeout: 300_000 }, async (t) => {
  using other = dataDirectory();
  const policy = join(other.path, "audit.yaml");
  writeFileSync(policy, "{apiVersion: audit.k8s.io/v1, kind: Policy, rules: [{level: Metadata}]}");
  await using cluster = await startTestCluster("encryption", [
    "--control-plane-only",
    "--log-level=debug",
    `--audit-policy-file=${policy}`,
    `--audit-log-path=${join(other.path, "audit.log")}`,
  ]);

  await t.test("a value is in no file after create, update, delete and kill -9", async () => {
    await cluster.kubectl(["create", "secret", "generic", "kept", "--from-literal=a=first-hidden-value"]);
    await cluster.kubectl(["create", "secret", "generic", "gone", "--from-literal=a=second-hidden-value"]);
    await cluster.kubectl(["patch", "secret", "kept", "-p", `{"data":{"a":"${base64("third-hidden-value")}"}}`]);
    await cluster.kubectl(["delete", "secret", "gone"]);
    const hidden = () =>
      ["first-hidden-value", "second-hidden-value", "third-hidden-value"].flatMap((value) =>
        filesWith(cluster.dataDir, value),
      );
    assert.deepEqual(hidden(), []);
    await cluster.kill("SIGKILL");
    assert.deepEqual(hidden(), []);
    await cluster.start();
    const value = await cluster.kubectl(["get", "secret", "kept", "-o", "jsonpath={.data.a}"]);
    assert.equal(value, base64("third-hidden-value"));
    assert.deepEqual(hidden(), []);
    assert.deepEqual(filesWith(other.path, "-hidden-value"), []);
  });

  await t.test("status says it from the stored bytes, while the cluster runs", async () => {
    const { forms } = JSON.parse(await cluster.knarr(["secrets", "status", "-o", "json"]));
    const secrets = forms.filter(({ resource }: { resource: string }) => resource === "secrets");
    const key = readKeyFile(keyFileOf(cluster.dataDir))![0]!.name;
    assert.deepEqual(secrets, [{ resource: "secrets", provider: "aesgcm", key, objects: 1, oldVersions: 2 }]);
    assert.match(await cluster.knarr(["secrets", "status"]), /^secrets +aesgcm +key-\w+ +1 +2$/m);
  });

  await t.test("rotation under load loses no acknowledged write, also when it is killed in the middle", async () => {
    const answered = new Map<string, string>();
    const load = async (writer: string, until: () => boolean) => {
      await using client = await connect(cluster);
      for (let n = 0; !until(); n++) {
        const name = `${writer}-${n}`;
        const data = { value: base64(`${name} `.repeat(500)) };
        try {
          await client.create(Secret, { metadata: { name, namespace: "default" }, data } as never);
        } catch {
          return;
        }
        answered.set(name, data.value);
      }
    };
    const allThere = async () => {
      await using client = await connect(cluster);
      const { items } = await client.list(Secret, { namespace: "default" });
      const values = new Map(items.map(({ metadata, data }) => [metadata.name, data?.value]));
      for (const [name, value] of answered) assert.equal(values.get(name), value, name);
    };
    let rotated = false;
    const writers = ["a", "b", "c", "d"].map((name) => load(name, () => rotated));
    await eventually("many Secrets", () => answered.size > 500);
    await cluster.knarr(["secrets", "rotate"]);
    rotated = true;
    await Promise.all(writers);
    await allThere();
    assert.deepEqual(prefixes(cluster.dataDir), [currentPrefix(cluster)]);

    for (const round of ["e", "f"]) {
      const before = currentPrefix(cluster);
      const more = ["1", "2"].map((name) => load(round + name, () => false));
      await eventually("new writes", () => answered.has(`${round}1-20`));
      const rotation = cluster.knarr(["secrets", "rotate"]);
      await eventually("the new key", () => currentPrefix(cluster) !== before);
      if (round === "f")
        await eventually("rows under it", () => prefixes(cluster.dataDir).includes(currentPrefix(cluster)));
      await cluster.kill("SIGKILL");
      await Promise.all([rotation, ...more]);
      await cluster.start();
      await allThere();
      assert.equal(readKeyFile(keyFileOf(cluster.dataDir))!.length, 1);
      assert.deepEqual(prefixes(cluster.dataDir), [currentPrefix(cluster)]);
    }
  });

  await t.test("without the key it does not start and says which; with it everything is there", async () => {
    const keyFile = keyFileOf(cluster.dataDir);
    await cluster.kill("SIGTERM");
    const stored = readFileSync(join(cluster.dataDir, "store.db"));
    renameSync(keyFile, join(other.path, "key"));
    await assert.rejects(cluster.start(), new RegExp(`k8s:enc:aesgcm:v1:key-\\w+:, whose key is not in ${keyFile} `));
    assert.ok(!existsSync(keyFile));
    assert.deepEqual(readFileSync(join(cluster.dataDir, "store.db")), stored);
    await assert.rejects(cluster.knarr(["secrets", "rotate"]), /there is no .*encryption.key/);
    renameSync(join(other.path, "key"), keyFile);
    await cluster.start();
    const value = await cluster.kubectl(["get", "secret", "kept", "-o", "jsonpath={.data.a}"]);
    assert.equal(value, base64("third-hidden-value"));
  });
});

test("Secrets under a key management plugin", { timeout: 300_000 }, async () => {
  using other = dataDirectory();
  await using plugin = new KmsPlugin(other.path);
  await plugin.listen();
  const config = plugin.config();
  await using cluster = await startTestCluster("kms", ["--control-plane-only", "--encryption-provider-config", config]);
  await cluster.kubectl(["create", "secret", "generic", "kept", "--from-literal=a=hidden-value"]);
  assert.deepEqual(prefixes(cluster.dataDir), ["k8s:enc:kms:v2:plugin:"]);
  assert.equal(await cluster.kubectl(["get", "--raw", "/readyz/kms-providers"]), "ok");
  assert.match(await cluster.kubectl(["get", "--raw", "/healthz?verbose"]), /^\[\+\]kms-providers ok$/m);
  await assert.rejects(cluster.knarr(["secrets", "rotate"]), new RegExp(`the keys of this cluster are in ${config}`));

  await cluster.kill("SIGKILL");
  plugin.end();
  const started = cluster.start();
  await eventually("it waits", () => cluster.output().includes("the key management plugin is waited for"));
  plugin.keyId = "key-2";
  await plugin.listen();
  await started;
  const value = async () => cluster.kubectl(["get", "secret", "kept", "-o", "jsonpath={.data.a}"]);
  assert.equal(await value(), base64("hidden-value"));

  const key = Buffer.alloc(32, 1).toString("base64");
  const text = readFileSync(config, "utf8");
  writeFileSync(
    config,
    text.replace("providers: [", `providers: [{secretbox: {keys: [{name: own, secret: ${key}}]}}, `),
  );
  await eventually(
    "rows under the new provider",
    () => prefixes(cluster.dataDir).join() === "k8s:enc:secretbox:v1:own:",
  );
  assert.equal(await value(), base64("hidden-value"));
  assert.deepEqual(filesWith(cluster.dataDir, "hidden-value"), []);
  assert.deepEqual(existsSync(keyFileOf(cluster.dataDir)), false);
  await cluster.knarr(["secrets", "status"]);
  writeFileSync(config, readFileSync(config, "utf8").replace("providers: [", "providers: [{identity: {}}, "));
  await eventually("rows in plain text", () => prefixes(cluster.dataDir).join() === "plain");
  await assert.rejects(cluster.knarr(["secrets", "status"]), /Secrets are stored in plain text in .*store\.db/);
});
