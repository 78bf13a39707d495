import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "../../kinds/generated/core.v1.ts";
import { container, pod } from "../testing.ts";
import { ConfigError, type EnvSources, makeEnvironment } from "./env.ts";
import { expandReferences } from "./expand.ts";
import { fieldValue, resourceValue } from "./fields.ts";
import { serviceVariables, visibleServices } from "./services.ts";

const meta = (name: string, namespace = "ns") => ({
  name,
  namespace,
  uid: name,
  resourceVersion: "1",
  creationTimestamp: "",
});
const service = (name: string, namespace: string, clusterIP: string): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta(name, namespace),
  spec: { clusterIP, ports: [{ name: "web-port", port: 80, protocol: "TCP" }] },
});
const addresses = { podIPs: ["10.0.0.2"], hostIP: "192.0.2.1" };
const sources = (more: Partial<EnvSources> = {}): EnvSources => ({
  configMap: (name) =>
    name === "map"
      ? { apiVersion: "v1", kind: "ConfigMap", metadata: meta(name), data: { b: "2", a: "1" } }
      : undefined,
  secret: (name) =>
    name === "secret" ? { apiVersion: "v1", kind: "Secret", metadata: meta(name), data: { s: "eA==" } } : undefined,
  services: () => [],
  addresses,
  allocatable: { cpu: "2", memory: "1Gi" },
  ...more,
});

test("references expand, dollars escape, unknown names stay", () => {
  const lookup = (name: string) => ({ A: "1", EMPTY: "" })[name];
  const rows = {
    "$(A)": "1",
    "$$(A)": "$(A)",
    "x$(A)y$(NO)": "x1y$(NO)",
    "$(EMPTY)": "",
    $A: "$A",
    "$(": "$(",
    a$$: "a$",
  };
  for (const [text, expected] of Object.entries(rows)) assert.equal(expandReferences(text, lookup), expected, text);
});

test("later variables see earlier ones, of env, envFrom and Services", () => {
  const app = container("app", {
    envFrom: [{ prefix: "M_", configMapRef: { name: "map" } }],
    env: [
      { name: "X", value: "$(M_a)-$(DB_SERVICE_HOST)" },
      { name: "S", valueFrom: { secretKeyRef: { name: "secret", key: "s" } } },
    ],
  });
  const environment = makeEnvironment(pod(), app, sources({ services: () => [service("db", "ns", "10.96.0.5")] }));
  assert.equal(environment.get("X"), "1-10.96.0.5");
  assert.equal(environment.get("S"), "x");
  assert.equal(environment.get("DB_PORT_80_TCP_ADDR"), "10.96.0.5");
});

test("what is missing stops the container, unless it is optional", () => {
  const required = container("app", { envFrom: [{ secretRef: { name: "no" } }] });
  assert.throws(() => makeEnvironment(pod(), required, sources()), new ConfigError('secret "no" not found'));
  const key = (optional: boolean) =>
    container("app", { env: [{ name: "K", valueFrom: { configMapKeyRef: { name: "map", key: "no", optional } } }] });
  assert.throws(
    () => makeEnvironment(pod(), key(false), sources()),
    new ConfigError("couldn't find key no in ConfigMap ns/map"),
  );
  assert.equal(makeEnvironment(pod(), key(true), sources()).has("K"), false);
});

test("Services of the namespace and the API server's own are visible", () => {
  const all = [
    service("db", "ns", "1"),
    service("other", "elsewhere", "2"),
    service("headless", "ns", "None"),
    service("kubernetes", "default", "3"),
  ];
  const names = (links: boolean) => visibleServices(all, "ns", links).map(({ metadata }) => metadata.name);
  assert.deepEqual(names(true), ["db", "kubernetes"]);
  assert.deepEqual(names(false), ["kubernetes"]);
});

test("Service variables have the names that programs look for", () => {
  assert.deepEqual(serviceVariables([service("my-db", "ns", "10.96.0.5")]), {
    MY_DB_SERVICE_HOST: "10.96.0.5",
    MY_DB_SERVICE_PORT: "80",
    MY_DB_SERVICE_PORT_WEB_PORT: "80",
    MY_DB_PORT: "tcp://10.96.0.5:80",
    MY_DB_PORT_80_TCP: "tcp://10.96.0.5:80",
    MY_DB_PORT_80_TCP_PROTO: "tcp",
    MY_DB_PORT_80_TCP_PORT: "80",
    MY_DB_PORT_80_TCP_ADDR: "10.96.0.5",
  });
});

test("fields and resources of the downward API", () => {
  const subject = pod({
    nodeName: "n",
    containers: [container("app", { resources: { requests: { cpu: "250m" }, limits: { memory: "64Mi" } } })],
  });
  subject.metadata.labels = { b: 'q"', a: "1" };
  assert.equal(fieldValue(subject, "metadata.labels", addresses), 'a="1"\nb="q\\""');
  assert.equal(fieldValue(subject, "metadata.labels['a']", addresses), "1");
  assert.equal(fieldValue(subject, "status.podIPs", addresses), "10.0.0.2");
  assert.equal(fieldValue(subject, "spec.volumes", addresses), undefined);
  const own = subject.spec!.containers[0]!;
  const value = (resource: string, divisor?: string) =>
    resourceValue(subject, own, divisor ? { resource, divisor } : { resource }, { cpu: "2", memory: "1Gi" });
  assert.deepEqual(
    [
      value("requests.cpu"),
      value("requests.cpu", "1m"),
      value("limits.cpu"),
      value("limits.memory", "1Mi"),
      value("requests.memory", "1Mi"),
    ],
    ["1", "250", "2", "64", "64"],
  );
});
