// Endpoints: who is behind a service, and how slices change with as few writes as possible.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { EndpointSlice, Service } from "../../kinds/index.ts";
import type { Action } from "../framework/controller.ts";
import { meta, pod } from "../testing.ts";
import { endpointOf, groupEndpoints } from "./desired.ts";
import { subsetsOf } from "./legacy.ts";
import { maxEndpointsPerSlice, planSlices, sliceOwnerOf } from "./slices.ts";

const service = (spec: Partial<NonNullable<Service["spec"]>> = {}): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: meta("web"),
  spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http", protocol: "TCP" }], ...spec },
});

const server = (i: number, words: Parameters<typeof pod>[1] = {}, port = 8080) =>
  pod(`web-${i}`, {
    node: "n1",
    readyFor: 10,
    ...words,
    spec: { containers: [{ name: "app", ports: [{ name: "http", containerPort: port }] }], ...words?.spec },
    status: { podIP: `10.1.${Math.floor(i / 200)}.${i % 200}` },
  });
const ready = (i: number) => {
  const found = server(i);
  return { ...found, status: { ...found.status, conditions: [{ type: "Ready", status: "True" }] } };
};

test("ready, serving and terminating say what a client may do", () => {
  const leaving = { ...ready(1), metadata: { ...ready(1).metadata, deletionTimestamp: "2026-01-01T11:59:59Z" } };
  const unready = { ...server(1), status: { ...server(1).status, conditions: [] } };
  const rows: [what: string, found: ReturnType<typeof endpointOf>, wanted: [boolean, boolean, boolean]][] = [
    ["ready", endpointOf(service(), ready(1), new Map()), [true, true, false]],
    ["not ready", endpointOf(service(), unready, new Map()), [false, false, false]],
    ["leaving", endpointOf(service(), leaving, new Map()), [false, true, true]],
    [
      "published anyway",
      endpointOf(service({ publishNotReadyAddresses: true }), unready, new Map()),
      [true, false, false],
    ],
  ];
  for (const [what, found, wanted] of rows) {
    const { ready: isReady, serving, terminating } = found!.conditions!;
    assert.deepEqual([isReady, serving, terminating], wanted, what);
  }
  assert.equal(
    endpointOf(service(), { ...ready(1), status: { phase: "Succeeded", podIP: "10.1.0.1" } }, new Map()),
    undefined,
  );
});

test("a named port is looked up in each pod, so pods may differ", () => {
  const [a, b] = [ready(1), { ...ready(2), spec: server(2, {}, 9090).spec! }];
  const groups = groupEndpoints(service(), [a, b], new Map([["n1", "zone-a"]]));
  assert.deepEqual(
    groups.map(({ ports }) => ports[0]?.port),
    [8080, 9090],
  );
  assert.equal(groups[0]!.endpoints[0]!.zone, "zone-a");
});

const slice = (name: string, action: Action): EndpointSlice => {
  assert.ok(action.type === "create" || action.type === "update");
  return { ...action.object, metadata: { ...action.object.metadata, ...meta(name) } } as unknown as EndpointSlice;
};

function plan(count: number, slices: readonly EndpointSlice[], spec = {}) {
  const pods = Array.from({ length: count }, (_, i) => ready(i));
  return planSlices(sliceOwnerOf(service(spec), "m"), groupEndpoints(service(spec), pods, new Map()), slices);
}

test("slices hold up to a hundred endpoints; new ones fill gaps before a slice is added", () => {
  const actions = plan(150, []);
  assert.deepEqual(
    actions.map(({ type }) => type),
    ["create", "create"],
  );
  const slices = actions.map((action, i) => {
    const made = slice(`s${i}`, action);
    return {
      ...made,
      metadata: { ...made.metadata, labels: action.type === "create" ? action.object.metadata.labels! : {} },
    };
  });
  assert.equal(slices[0]!.endpoints?.length, maxEndpointsPerSlice);
  assert.deepEqual(plan(150, slices), []);
  const more = plan(151, slices);
  assert.equal(more.length, 1);
  assert.equal(more[0]!.type === "update" && more[0]!.object.metadata.name, "s1");
  const none = plan(0, slices);
  assert.deepEqual(
    none.map(({ type }) => type),
    ["update", "delete"],
  );
});

test("a service without endpoints keeps one empty slice", () => {
  const [action] = plan(0, []);
  assert.ok(action?.type === "create");
  assert.deepEqual((action.object as unknown as EndpointSlice).endpoints, []);
});

test("Endpoints show ready and unready addresses apart, and nobody who is leaving", () => {
  const unready = { ...server(2), status: { podIP: "10.1.0.2", phase: "Running", conditions: [] } };
  const leaving = { ...ready(3), metadata: { ...ready(3).metadata, deletionTimestamp: "2026-01-01T11:59:59Z" } };
  const [subset] = subsetsOf(service(), groupEndpoints(service(), [ready(1), unready, leaving], new Map()));
  assert.deepEqual(
    subset?.addresses?.map(({ ip }) => ip),
    ["10.1.0.1"],
  );
  assert.deepEqual(
    subset?.notReadyAddresses?.map(({ ip }) => ip),
    ["10.1.0.2"],
  );
  assert.deepEqual(subset?.ports, [{ name: "http", port: 8080, protocol: "TCP" }]);
});
