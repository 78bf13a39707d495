// What the conformance suite asks of kubectl where no container is needed, with today's kubectl and Debian's 1.20. Pods are
// said to run by hand; kubectl.test.ts has the rest.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { get } from "node:http";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { json } from "node:stream/consumers";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { kubectlOf, kubectls, requestsOf, type Json, type Requests } from "./requests.ts";

const labels = { app: "demo", role: "primary" };
const template = (image: string) => ({
  metadata: { labels },
  spec: { containers: [{ name: "main", image, ports: [{ name: "main-port", containerPort: 6379 }] }] },
});
const controller = {
  apiVersion: "v1",
  kind: "ReplicationController",
  metadata: { name: "demo", labels },
  spec: { replicas: 1, selector: labels, template: template("demo:1") },
};
const deployment = (image: string) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name: "differs" },
  spec: { replicas: 1, selector: { matchLabels: labels }, template: template(image) },
});

describe("kubectl as conformance sees it", { timeout: 180_000 }, () => {
  let plane: ControlPlane;
  let { ask, patch, until } = {} as Requests;
  let clients: string[];

  before(async () => {
    plane = await startControlPlane();
    ({ ask, patch, until } = requestsOf(plane.admin));
    clients = await kubectls();
    const capacity = { cpu: "4", memory: "8Gi", pods: "110" };
    const condition = { type: "Ready", status: "True", reason: "KubeletReady", message: "ready" };
    const addresses = [{ type: "InternalIP", address: "192.0.2.1" }];
    const status = { capacity, allocatable: capacity, conditions: [condition], addresses, nodeInfo: {} };
    await ask("POST", "/api/v1/nodes", { metadata: { name: "n1", labels: { zone: "a" } }, status });
  });
  after(async () => plane?.[Symbol.asyncDispose]());

  type Kubectl = ReturnType<typeof kubectlOf>;
  /** A test with each kubectl, in a namespace of its own. */
  const withEach = (title: string, body: (kubectl: Kubectl, space: string, binary: string) => Promise<void>) =>
    test(title, async () => {
      for (const [i, binary] of clients.entries()) {
        const namespace = `${title.replaceAll(/[^a-z]+/g, "-").slice(0, 40)}-${i}`;
        const space = `/api/v1/namespaces/${namespace}`;
        await ask("POST", "/api/v1/namespaces", { metadata: { name: namespace } });
        await until(`${space}/serviceaccounts/default`, (account) => account !== undefined);
        const kubectl = kubectlOf(plane, binary);
        await body((args, ...rest) => kubectl([`--namespace=${namespace}`, ...args], ...rest), space, binary);
      }
    });
  /** Makes the controller, and its pod run. Returns the pod's name. */
  const runController = async (kubectl: Kubectl, space: string): Promise<string> => {
    await kubectl(["create", "-f", "-"], JSON.stringify(controller));
    const { items } = await until(`${space}/pods`, (list) => list.items.length === 1);
    const { name } = items[0].metadata;
    await ask("POST", `${space}/pods/${name}/binding`, { metadata: { name }, target: { kind: "Node", name: "n1" } });
    const state = { running: { startedAt: "2026-01-01T00:00:00Z" } };
    const container = { name: "main", image: "demo:1", imageID: "i", ready: true, restartCount: 0, state };
    const conditions = [{ type: "Ready", status: "True" }];
    const addresses = { podIP: "10.1.0.9", podIPs: [{ ip: "10.1.0.9" }], hostIP: "192.0.2.1" };
    const status = { phase: "Running", conditions, containerStatuses: [container], ...addresses };
    await patch(`${space}/pods/${name}/status`, { status });
    return name;
  };

  withEach("api-versions, version and cluster-info", async (kubectl) => {
    assert.match(await kubectl(["api-versions"]), /^v1$/m);
    const version = await kubectl(["version"]);
    for (const part of ["Client Version", "Server Version"]) assert.match(version, new RegExp(`${part}: .*1\\.\\d+`));
    assert.match(await kubectl(["cluster-info"]), /Kubernetes control plane.*is running at.*https:\/\/127\.0\.0\.1/);
  });

  withEach("run makes a pod that never restarts", async (kubectl, space) => {
    await kubectl(["run", "once", "--restart=Never", "--image=demo:1"]);
    const { spec, metadata } = await ask("GET", `${space}/pods/once`);
    assert.deepEqual([spec.restartPolicy, spec.containers[0].image], ["Never", "demo:1"]);
    assert.equal(metadata.ownerReferences, undefined);
  });

  withEach("replace changes the image of a pod, a patch on trial does not", async (kubectl, space) => {
    await kubectl(["run", "one", "--image=demo:1", "--labels=run=one"]);
    const image = async () => (await ask("GET", `${space}/pods/one`)).spec.containers[0].image;
    const change = JSON.stringify({ spec: { containers: [{ name: "one", image: "demo:2" }] } });
    await kubectl(["patch", "pod", "one", "-p", change, "--dry-run=server"]);
    assert.equal(await image(), "demo:1");
    const read = await kubectl(["get", "pod", "one", "-o", "json"]);
    await kubectl(["replace", "-f", "-"], read.replaceAll("demo:1", "demo:2"));
    assert.equal(await image(), "demo:2");
  });

  withEach("patch annotates pods of a controller, label sets and takes labels", async (kubectl, space) => {
    const name = await runController(kubectl, space);
    await kubectl(["patch", "pod", name, "-p", '{"metadata":{"annotations":{"x":"y"}}}']);
    assert.equal((await ask("GET", `${space}/pods/${name}`)).metadata.annotations.x, "y");
    const labelled = () => kubectl(["get", "pod", name, "-L", "testing-label"]);
    await kubectl(["label", "pods", name, "testing-label=value"]);
    assert.match(await labelled(), / value\n/);
    await kubectl(["label", "pods", name, "testing-label-"]);
    assert.doesNotMatch(await labelled(), / value\n/);
  });

  withEach("diff finds what differs in a Deployment", async (kubectl) => {
    await kubectl(["create", "-f", "-"], JSON.stringify(deployment("demo:1")));
    assert.equal(await kubectl(["diff", "-f", "-"], JSON.stringify(deployment("demo:1"))), "");
    const difference = await kubectl(["diff", "-f", "-"], JSON.stringify(deployment("demo:2")), { fails: true });
    assert.match(difference, /^-\s+- image: demo:1\n\+\s+- image: demo:2$/m);
  });

  withEach("expose makes Services of a controller and of a Service", async (kubectl, space) => {
    await runController(kubectl, space);
    for (const [from, to, port] of [
      ["rc/demo", "second", 1234],
      ["service/second", "third", 2345],
    ] as const) {
      await kubectl(["expose", from, `--name=${to}`, `--port=${port}`, "--target-port=6379"]);
      assert.equal((await ask("GET", `${space}/services/${to}`)).spec.ports[0].port, port);
      const { subsets } = await until(`${space}/endpoints/${to}`, (endpoints) => endpoints?.subsets?.length === 1);
      assert.deepEqual([subsets[0].addresses[0].ip, subsets[0].ports[0].port], ["10.1.0.9", 6379]);
    }
  });

  withEach("describe tells what matters of a pod, controller, Service, node and namespace", async (kubectl, space) => {
    const name = await runController(kubectl, space);
    await kubectl(["expose", "rc/demo", "--port=6379", "--target-port=main-port"]);
    await until(`${space}/endpoints/demo`, (endpoints) => endpoints?.subsets?.length === 1);
    await until(`${space}/replicationcontrollers/demo`, ({ status }) => status.readyReplicas === 1);
    const namespace = space.split("/").at(-1)!;
    for (const [object, lines] of [
      [
        `pod/${name}`,
        `Name: ${name};Namespace: ${namespace};Node: n1/192.0.2.1;Labels: app=demo;role=primary;Annotations:;` +
          `Status: Running;IP: 10.1.0.9;Controlled By: ReplicationController/demo;Image: demo:1;State: Running;QoS Class: BestEffort`,
      ],
      [
        "rc/demo",
        `Name: demo;Namespace: ${namespace};Selector: app=demo,role=primary;Labels: app=demo;Annotations:;Replicas: 1 current / 1 desired;` +
          "Pods Status: 1 Running / 0 Waiting / 0 Succeeded / 0 Failed;Pod Template:;Image: demo:1;Events:",
      ],
      [
        "service/demo",
        `Name: demo;Namespace: ${namespace};Labels: app=demo;Annotations:;Selector: app=demo,role=primary;Type: ClusterIP;IP: 10.96.;` +
          "Port: <unset> 6379/TCP;Endpoints: 10.1.0.9:6379;Session Affinity: None",
      ],
      [
        "node/n1",
        "Name: n1;Labels: zone=a;Annotations:;CreationTimestamp:;Conditions:;Ready True;Addresses:;Capacity:;cpu: 4;Pods:",
      ],
      [
        `namespace/${namespace}`,
        `Name: ${namespace};Labels:;Annotations:;Status: Active;No resource quota;No LimitRange resource`,
      ],
    ] as const) {
      const described = (await kubectl(["describe", object])).replaceAll(/[ \t]+/g, " ");
      for (const line of lines.split(";")) assert.ok(described.includes(line), `${line} in ${described}`);
    }
  });

  withEach("proxy serves on a port of its choice and on a socket", async (_kubectl, _space, binary) => {
    const socketPath = `${plane.kubeconfig}-${binary.length}.sock`;
    for (const where of ["--port=0", `--unix-socket=${socketPath}`]) {
      const child = spawn(binary, [`--kubeconfig=${plane.kubeconfig}`, "proxy", where]);
      try {
        const [said] = (await once(child.stdout, "data")) as [Buffer];
        const place = /^Starting to serve on (.+)$/m.exec(said.toString())![1]!;
        const [, port] = place.split(":");
        const target = port ? { host: "127.0.0.1", port } : { socketPath: place };
        const [response] = await once(get({ ...target, path: "/api/" }), "response");
        assert.deepEqual(((await json(response)) as Json).versions, ["v1"]);
      } finally {
        child.kill();
        await once(child, "close");
      }
    }
  });
});
