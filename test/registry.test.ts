// Pods pull their images from a registry on loopback: anonymously, with a password, and not at all when it is wrong.
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { buildExampleImages } from "../scripts/images.ts";
import type { Event, Pod } from "../src/kinds/generated/core.v1.ts";
import { containersPossible, eventually, startTestCluster, type TestCluster } from "./harness.ts";
import { startRegistry, type Registry } from "./registry-server.ts";

const password = "skipper:herring";

describe("images from a registry", { timeout: 240_000 }, () => {
  let cluster: TestCluster;
  let open: Registry;
  let closed: Registry;

  before(async () => {
    assert.ok(containersPossible(), "these tests run real containers: they need Linux and root");
    const busybox = (await buildExampleImages()).find(({ name }) => name.includes("busybox"))!;
    const repositories = { "fleet/busybox": busybox, "fleet/other": busybox, "fleet/third": busybox };
    open = await startRegistry(repositories);
    closed = await startRegistry(repositories, password);
    cluster = await startTestCluster("registry");
    for (const { host } of [open, closed]) {
      const directory = join(cluster.dataDir, "registries", host);
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, "hosts.toml"), `server = "http://${host}"\n`);
    }
  });
  after(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await open?.[Symbol.asyncDispose]();
    await closed?.[Symbol.asyncDispose]();
  });

  const apply = (object: object) => cluster.kubectl(["apply", "-f", "-"], { input: JSON.stringify(object) });
  const start = (name: string, image: string, spec: object = {}) =>
    apply({
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec: {
        terminationGracePeriodSeconds: 0,
        containers: [{ name: "main", image, command: ["sleep", "1000"], imagePullPolicy: "Always" }],
        ...spec,
      },
    });
  const read = async (name: string) => JSON.parse(await cluster.kubectl(["get", "pod", name, "-o", "json"])) as Pod;
  const waiting = async (name: string) => (await read(name)).status?.containerStatuses?.[0]?.state?.waiting;
  const runs = (name: string) =>
    eventually(`${name} runs`, async () => {
      const pod = await read(name);
      return pod.status?.phase === "Running" && pod;
    });
  const events = async (name: string) =>
    (
      JSON.parse(
        await cluster.kubectl(["get", "events", "--field-selector", `involvedObject.name=${name}`, "-o", "json"]),
      ) as { items: Event[] }
    ).items;
  const secret = (name: string, registry: Registry, login: string) => {
    const auths = { [registry.host]: { auth: Buffer.from(login).toString("base64") } };
    return apply({
      apiVersion: "v1",
      kind: "Secret",
      type: "kubernetes.io/dockerconfigjson",
      metadata: { name },
      stringData: { ".dockerconfigjson": JSON.stringify({ auths }) },
    });
  };

  test("a pod pulls from a registry that asks nobody's name", async () => {
    await start("anonymous", `${open.host}/fleet/busybox:1`);
    const pod = await runs("anonymous");
    assert.match(pod.status!.containerStatuses![0]!.imageID!, /@sha256:[0-9a-f]{64}$/);
    assert.ok(open.requests.every(({ authorization }) => authorization === undefined));
    const said = (await events("anonymous")).map(({ message }) => message).join("\n");
    assert.match(said, /Successfully pulled image/);
  });

  test("without credentials a registry with a password gives ErrImagePull, then ImagePullBackOff, with its message", async () => {
    await start("nameless", `${closed.host}/fleet/busybox:1`);
    const seen = new Map<string, string>();
    await eventually("both reasons were shown", async () => {
      const { reason, message } = (await waiting("nameless")) ?? {};
      if (reason) seen.set(reason, message ?? "");
      return seen.has("ErrImagePull") && seen.has("ImagePullBackOff");
    });
    assert.match(seen.get("ErrImagePull")!, /401 Unauthorized|authorization failed/);
    assert.match(seen.get("ImagePullBackOff")!, /Back-off pulling image .*(401 Unauthorized|authorization failed)/s);
    const pod = await read("nameless");
    assert.equal(pod.status!.phase, "Pending");
    assert.ok((await events("nameless")).some(({ type, reason }) => type === "Warning" && reason === "Failed"));
  });

  test("imagePullSecrets of the pod give the password", async () => {
    await secret("right", closed, password);
    await start("named", `${closed.host}/fleet/busybox:1`, { imagePullSecrets: [{ name: "right" }] });
    await runs("named");
    assert.ok(closed.requests.some(({ authorization }) => authorization?.startsWith("Basic ")));
  });

  test("imagePullSecrets of the ServiceAccount give the password", async () => {
    await cluster.kubectl(["create", "serviceaccount", "sailor"]);
    const patch = JSON.stringify({ imagePullSecrets: [{ name: "right" }] });
    await cluster.kubectl(["patch", "serviceaccount", "sailor", "-p", patch]);
    await start("hired", `${closed.host}/fleet/other:1`, { serviceAccountName: "sailor" });
    assert.deepEqual((await runs("hired")).spec!.imagePullSecrets, [{ name: "right" }]);
  });

  test("a wrong password is told, and the pod starts once it is right", async () => {
    await secret("wrong", closed, "skipper:cod");
    await start("corrected", `${closed.host}/fleet/third:1`, { imagePullSecrets: [{ name: "wrong" }] });
    await eventually("the pull fails", async () =>
      /ErrImagePull|ImagePullBackOff/.test((await waiting("corrected"))?.reason ?? ""),
    );
    await secret("wrong", closed, password);
    await runs("corrected");
  });

  test("a name that is none gives InvalidImageName, and the pod starts once the name is right", async () => {
    await start("misspelt", `${open.host}/Fleet//busybox:1`);
    const state = await eventually("the name is refused", async () => {
      const found = await waiting("misspelt");
      return found?.reason === "InvalidImageName" && found;
    });
    assert.match(state.message!, /couldn't parse image name/);
    await cluster.kubectl(["set", "image", "pod/misspelt", `main=${open.host}/fleet/busybox:1`]);
    await runs("misspelt");
  });

  test("an image that the registry does not have is said to be missing", async () => {
    await start("absent", `${open.host}/fleet/nothing:1`);
    const state = await eventually("the pull fails", async () => {
      const found = await waiting("absent");
      return /ErrImagePull|ImagePullBackOff/.test(found?.reason ?? "") && found;
    });
    assert.match(state.message!, /not found/);
  });

  test("pull policy Never uses what is there and asks nobody", async () => {
    const container = { name: "main", image: `${open.host}/fleet/never:1`, imagePullPolicy: "Never" };
    await start("stubborn", "", { containers: [container] });
    await eventually("it is refused", async () => (await waiting("stubborn"))?.reason === "ErrImageNeverPull");
    assert.ok(!open.requests.some(({ path }) => path.includes("fleet/never")));
  });
});
