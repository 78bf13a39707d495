// Real kubectl, new and old, against store, API and HTTP in this process: what users type must work.
// The old one (1.20: SPDY streams, OpenAPI in protobuf) is that of Debian's kubernetes-client package.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { fakeNode } from "../src/apiserver/streaming/testing.ts";
import { findCommand } from "../src/host/packages.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { kubectlWith, oldKubectl } from "./harness.ts";

const installed = findCommand("kubectl");
const clients = { ...(installed ? { installed } : {}), "1.20": await oldKubectl() };

const deployment = (image: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "${image}", ports: [{containerPort: 80}]}]}
`;

const node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n";
const pod =
  "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {nodeName: n1, containers: [{name: main, image: x}]}\n";

for (const [label, kubectl] of Object.entries(clients)) {
  describe(`kubectl (${label})`, () => {
    let server: ControlPlane;
    let run: ReturnType<typeof kubectlWith>;

    before(async () => {
      const container = { namespace: "default", pod: "p", container: "main" };
      const connection = fakeNode({
        run: ([command, ...args], stdin) =>
          command === "false" ? { stderr: "no\n", exitCode: 3 } : { stdout: `${args.join(" ")}${stdin}\n` },
        logLines: ["one", "two", "three"],
        usage: {
          cpuNanoCores: 250e6,
          memoryWorkingSetBytes: 100 * 2 ** 20,
          containers: [{ ...container, cpuNanoCores: 5e6, memoryWorkingSetBytes: 7 * 2 ** 20 }],
        },
      });
      server = await startControlPlane({ nodes: (name) => (name === "n1" ? connection : undefined) });
      run = kubectlWith(kubectl, server.kubeconfig);
    });
    after(() => server[Symbol.asyncDispose]());

    test("api-resources and version know the server", async () => {
      assert.match((await run(["api-resources"])).out, /deployments +deploy +apps\/v1 +true +Deployment/);
      assert.match((await run(["version", "--output=json"])).out, /v1\.36\.0\+knarr\.\w/);
    });

    test("apply creates, changes nothing the second time, and patches", async () => {
      assert.match((await run(["apply", "-f", "-"], deployment("web:1"))).out, /created/);
      assert.match((await run(["apply", "-f", "-"], deployment("web:1"))).out, /unchanged/);
      assert.match((await run(["apply", "--dry-run=server", "-f", "-"], deployment("web:2"))).out, /configured/);
      assert.match((await run(["apply", "-f", "-"], deployment("web:3"))).out, /configured/);
      const image = ["get", "deploy", "web", "-o=jsonpath={.spec.template.spec.containers[0].image}"];
      assert.equal((await run(image)).out, "web:3");
    });

    test("apply refuses a misspelt field", async () => {
      const { error } = await run(["apply", "-f", "-"], deployment("web:1").replace("image:", "imagee:"), 1);
      assert.match(error, /unknown field/);
    });

    test("server-side apply owns its fields", async () => {
      const manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: {a: b}\n";
      assert.match((await run(["apply", "--server-side", "-f", "-"], manifest)).out, /serverside-applied/);
    });

    test("what was applied by the client can be applied by the server, and diff tells what would change", async () => {
      const manifest = (value: string) =>
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved}\ndata: {a: ${value}}\n`;
      const server = ["apply", "--server-side", "-f", "-"];
      await run(["apply", "-f", "-"], manifest("one"));
      assert.match((await run(["diff", "-f", "-"], manifest("two"), 1)).out, /^-  a: one\n\+  a: two$/m);
      await run(server, manifest("one"));
      // The old one leaves the field to itself as a client, too; the new one takes it over.
      await run(label === "1.20" ? [...server, "--force-conflicts"] : server, manifest("two"));
      assert.equal((await run(["diff", "--server-side", "-f", "-"], manifest("two"))).out, "");
      await run(server, manifest("two").replace("data: {a: two}", "data: {b: c}"));
      const data = ["get", "configmap", "moved", "-o=jsonpath={.data}"];
      assert.equal((await run(data)).out, '{"b":"c"}');
    });

    test("create, scale, label, get and delete", async () => {
      await run(["create", "configmap", "c", "--from-literal=a=b"]);
      await run(["label", "configmap", "c", "x=y"]);
      assert.match((await run(["get", "configmaps", "-l", "x=y"])).out, /^NAME +(DATA +)?AGE\nc /);
      await run(["scale", "deploy", "web", "--replicas=3"]);
      assert.equal((await run(["get", "deploy", "web", "-o=jsonpath={.spec.replicas}"])).out, "3");
      await run(["delete", "configmap", "c"]);
      assert.match((await run(["get", "configmap", "c"], "", 1)).error, /NotFound/);
    });

    test("explain knows every field of a pod", async () => {
      const { out } = await run(["explain", "pod.spec.containers", "--recursive"]);
      for (const field of ["livenessProbe", "securityContext", "volumeMounts", "runAsNonRoot"])
        assert.match(out, new RegExp(field));
    });

    test("get --watch sees what happens", async () => {
      const args = ["--kubeconfig", server.kubeconfig, "get", "configmaps", "--watch", "-o", "name"];
      const child = spawn(kubectl, args);
      let seen = "";
      child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
      while (!seen.includes("kube-root-ca.crt")) await once(child.stdout, "data");
      await run(["create", "configmap", "watched"]);
      while (!seen.includes("watched")) await once(child.stdout, "data");
      child.kill();
      await once(child, "close");
    });

    test("exec carries streams and exit codes", async () => {
      await run(["create", "-f", "-"], `${node}---\n${pod}`);
      assert.equal((await run(["exec", "p", "--", "echo", "a", "b"])).out, "a b\n");
      assert.equal((await run(["exec", "-i", "p", "--", "cat"], "typed")).out, "typed\n");
      const failed = await run(["exec", "p", "--", "false"], "", 3);
      assert.match(failed.error, /no\n/);
    });

    test("logs come line by line and from the end", async () => {
      assert.equal((await run(["logs", "p"])).out, "one\ntwo\nthree\n");
      assert.equal((await run(["logs", "p", "--tail=1"])).out, "three\n");
      assert.match((await run(["logs", "p", "-c", "other"], "", 1)).error, /container other is not valid for pod p/);
    });

    test("port-forward carries a connection", async () => {
      await run(["patch", "pod", "p", "--type=merge", "-p", '{"metadata":{"labels":{"ready":"yes"}}}']);
      // kubectl before 1.24 cannot patch subresources.
      await server.admin.request("PATCH", "/api/v1/namespaces/default/pods/p/status", {
        headers: { "content-type": "application/merge-patch+json" },
        body: '{"status":{"phase":"Running"}}',
      });
      const child = spawn(kubectl, ["--kubeconfig", server.kubeconfig, "port-forward", "p", ":80"]);
      const [first] = (await once(child.stdout, "data")) as [Buffer];
      const port = Number(/127\.0\.0\.1:(\d+) -> 80/.exec(first.toString())![1]);
      const socket = connect(port, "127.0.0.1");
      socket.write("hello");
      const [answer] = (await once(socket, "data")) as [Buffer];
      assert.equal(answer.toString(), "80:hello");
      socket.destroy();
      child.kill();
      await once(child, "close");
    });

    test("top shows what nodes and pods use", async () => {
      assert.match((await run(["top", "pods"])).out, /p +5m +7Mi/);
      assert.match((await run(["top", "nodes"])).out, /n1 +250m/);
    });
  });
}
