// What tests inside a running cluster do all the time: make pods from few words, wait for what becomes of them, read
// what they print.
import assert from "node:assert/strict";
import { clientFromKubeconfig } from "../src/client/kubeconfig.ts";
import type { Cache } from "../src/client/client.ts";
import type { HttpsClient } from "../src/client/https.ts";
import { Event, Pod } from "../src/kinds/core/index.ts";
import type { Kind } from "../src/kinds/kind.ts";
import type { AnyKind } from "../src/kinds/registry.ts";
import type { Container, ContainerStatus, PodSpec } from "../src/kinds/generated/core.v1.ts";
import type { KubeObject, ObjectMeta } from "../src/machinery/object.ts";
import { buildDebianImage } from "../src/kubelet/images/debian.ts";
import { importImage } from "../src/kubelet/images/import.ts";
import { busyboxSource } from "../scripts/images.ts";
import { containerdSocket } from "../src/node.ts";
import { eventually, type TestCluster } from "./harness.ts";

/** Debian's busybox, and the Node that runs these tests for what a shell cannot do. */
export const image = "knarr.dev/test-tools:1";

export async function importTools({ settings }: Pick<TestCluster, "settings">): Promise<void> {
  const { root = "", links } = await busyboxSource();
  const tools = await buildDebianImage({
    name: image,
    root,
    binaries: ["/bin/busybox", process.execPath],
    links: { ...links, "/usr/bin/node": process.execPath },
    command: ["/bin/sh"],
  });
  await importImage(containerdSocket(settings), tools);
}

/** A container that runs a script to its end. */
export const runs = (script: string, more: Partial<Container> = {}): Container => ({
  name: "main",
  image,
  command: ["sh", "-c", script],
  ...more,
});

/** A container that runs `script` and then lives until it is told to go. */
export const lives = (script = "true", more: Partial<Container> = {}): Container =>
  runs(`trap 'exit 0' TERM; ${script}; while :; do sleep 1000 & wait; done`, more);

/** A container that runs a program for Node. */
export const node = (program: string, more: Partial<Container> = {}): Container => ({
  name: "main",
  image,
  command: ["node", "-e", program],
  ...more,
});

type Check = (pod: Pod | undefined) => boolean | undefined;

const conditionIs =
  (wanted: string, value: string): Check =>
  (pod) =>
    pod?.status?.conditions?.some(({ type, status }) => type === wanted && status === value);
export const isReady = conditionIs("Ready", "True");
export const isNotReady = conditionIs("Ready", "False");
export const hasPhase =
  (phase: string): Check =>
  (pod) =>
    pod?.status?.phase === phase;
const isOver: Check = (pod) => hasPhase("Succeeded")(pod) || hasPhase("Failed")(pod);

export const statusOf = (pod: Pod | undefined, container = "main"): ContainerStatus | undefined =>
  [
    ...(pod?.status?.initContainerStatuses ?? []),
    ...(pod?.status?.containerStatuses ?? []),
    ...(pod?.status?.ephemeralContainerStatuses ?? []),
  ].find(({ name }) => name === container);

export interface Workloads extends AsyncDisposable {
  readonly client: HttpsClient;
  readonly namespace: string;
  /** Creates any object of the namespace. */
  create<T extends KubeObject>(kind: Kind<T>, name: string, fields: object, metadata?: Partial<ObjectMeta>): Promise<T>;
  pod(name: string, spec: Partial<PodSpec>, metadata?: Partial<ObjectMeta>): Promise<Pod>;
  /** Waits for a state of a pod; undefined stands for its absence. Throws with its status when the time is up. */
  until(name: string, check: Check, timeoutMs?: number): Promise<Pod>;
  /** Waits for a state of any object of the namespace. */
  untilObject<T extends KubeObject>(
    kind: Kind<T>,
    name: string,
    check: (object: T | undefined) => boolean | undefined,
    timeoutMs?: number,
  ): Promise<T>;
  log(pod: string, query?: string): Promise<string>;
  /** Runs a pod to its end and returns what it printed; it must succeed. */
  outputOf(name: string, spec: Partial<PodSpec>, metadata?: Partial<ObjectMeta>): Promise<string>;
  exec(pod: string, ...command: string[]): Promise<string>;
  kubectl(...args: string[]): Promise<string>;
  remove(name: string, gracePeriodSeconds?: number): Promise<void>;
  /** Resolves when an event of the pod, as `reason: message`, matches. Events are written a moment after what they tell of. */
  untilEvent(pod: string, expected: RegExp): Promise<void>;
}

/** Takes the cluster's `default` namespace. */
export async function workloadsOf(cluster: TestCluster): Promise<Workloads> {
  const namespace = "default";
  const client = await clientFromKubeconfig(cluster.kubeconfig, { component: "tests" });
  const kubectl = (...args: string[]) => cluster.kubectl(["-n", namespace, ...args]);

  const untilObject: Workloads["untilObject"] = async (kind, name, check, timeoutMs = 45_000) => {
    const cache = client.cache(kind);
    await cache.synced;
    return waitFor(cache, `${namespace}/${name}`, check, timeoutMs);
  };
  const until: Workloads["until"] = (name, check, timeoutMs) => untilObject(Pod, name, check, timeoutMs);
  const create: Workloads["create"] = (kind, name, fields, metadata = {}) => {
    const apiVersion = kind.group ? `${kind.group}/${kind.version}` : kind.version;
    const object = { apiVersion, kind: kind.kind, metadata: { name, namespace, ...metadata }, ...fields };
    return client.create(kind as AnyKind, object, { fieldValidation: "Strict" }) as Promise<never>;
  };
  const pod: Workloads["pod"] = (name, spec, metadata) => {
    const quick = { automountServiceAccountToken: false, terminationGracePeriodSeconds: 2 };
    return create(Pod, name, { spec: { ...quick, ...spec } }, metadata);
  };
  const log: Workloads["log"] = async (name, query = "") => {
    const { body } = await client.request("GET", `/api/v1/namespaces/${namespace}/pods/${name}/log?${query}`);
    return Buffer.concat(await Array.fromAsync(body as AsyncIterable<Buffer>)).toString("utf8");
  };
  return {
    client,
    namespace,
    create,
    pod,
    until,
    untilObject,
    log,
    kubectl,
    async outputOf(name, spec, metadata) {
      await pod(name, { restartPolicy: "Never", ...spec }, metadata);
      const done = await until(name, isOver);
      const container = spec.containers![0]!.name;
      const text = await log(name, `container=${container}`);
      assert.equal(done.status!.phase, "Succeeded", `${text}${JSON.stringify(done.status)}`);
      return text;
    },
    exec: (name, ...command) => kubectl("exec", name, "--", ...command),
    async remove(name, gracePeriodSeconds) {
      const options = gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds };
      await client.delete(Pod, { name, namespace }, options);
      await until(name, (gone) => gone === undefined);
    },
    async untilEvent(pod, expected) {
      let seen: string[] = [];
      const check = async () => {
        const { items } = await client.list(Event, { namespace });
        const own = items.filter(({ involvedObject }) => involvedObject.name === pod);
        seen = own.map(({ reason, message }) => `${reason}: ${message}`);
        return seen.some((event) => expected.test(event));
      };
      await eventually(`an event of ${pod} matches ${expected}`, check, 15_000).catch((error: unknown) => {
        throw new Error(`no event of ${pod} matches ${expected}, only:\n${seen.join("\n")}`, { cause: error });
      });
    },
    [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
  };
}

function waitFor<T extends KubeObject>(
  cache: Cache<T>,
  key: string,
  check: (object: T | undefined) => boolean | undefined,
  timeoutMs: number,
): Promise<T> {
  const found = cache.get(key);
  if (check(found)) return Promise.resolve(found as T);
  return new Promise((resolve, reject) => {
    let unsubscribe = () => {};
    let last: KubeObject | undefined = found;
    const timer = setTimeout(() => {
      unsubscribe();
      const seen = JSON.stringify((last as { status?: unknown } | undefined)?.status ?? last);
      reject(new Error(`${key} did not become what was expected within ${timeoutMs / 1000} s; last: ${seen}`));
    }, timeoutMs);
    unsubscribe = cache.onChange(({ type, object }) => {
      if (`${object.metadata.namespace}/${object.metadata.name}` !== key) return;
      last = object;
      if (!check(type === "DELETED" ? undefined : object)) return;
      clearTimeout(timer);
      queueMicrotask(() => unsubscribe());
      resolve(object);
    });
  });
}
