// Which APIServices this server keeps, when another server counts as reachable, and what it is told of the user.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { APIService } from "../../kinds/apiregistration/api-service.ts";
import type { Service } from "../../kinds/generated/core.v1.ts";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Entry } from "../../store/store.ts";
import { apiWith, cronTabs } from "../crd/testing.ts";
import { testApi } from "../testing.ts";
import { examine, passed, targetOf, unavailable, withFinding } from "./availability.ts";
import { userHeaders, withoutClaims } from "./connection.ts";
import { apiServices, planLocal } from "./local.ts";

const reference = { namespace: "default", name: "sample", port: 443 };
const service = (spec: object) => ({ metadata: { name: "sample" }, spec }) as unknown as Service;
const web = service({ type: "ClusterIP", ports: [{ name: "https", port: 443 }] });
const slice = (ready: boolean, portName = "https") =>
  ({
    endpoints: [{ addresses: ["10.0.0.5"], conditions: { ready } }],
    ports: [{ name: portName, port: 8443 }],
  }) as unknown as EndpointSlice;

test("objects tell why a server cannot be reached", () => {
  const reason = (known: Service | undefined, slices: EndpointSlice[]) =>
    examine(reference, { service: known, slices })?.reason;
  assert.equal(reason(undefined, []), "ServiceNotFound");
  assert.equal(reason(service({ type: "ClusterIP", ports: [{ port: 80 }] }), []), "ServicePortError");
  assert.equal(reason(web, []), "EndpointsNotFound");
  assert.equal(reason(web, [slice(false)]), "MissingEndpoints");
  assert.equal(reason(web, [slice(true, "http")]), "MissingEndpoints");
  assert.equal(reason(web, [slice(false), slice(true)]), undefined);
  assert.equal(reason(service({ type: "ExternalName", externalName: "api.example" }), []), undefined);
});

test("requests go to a ready endpoint at its own port, or to the external name", () => {
  const backend = { service: web, slices: [slice(false), slice(true)] };
  assert.deepEqual(targetOf(reference, backend, 0), { scheme: "https", host: "10.0.0.5", port: 8443 });
  const external = service({ type: "ExternalName", externalName: "api.example" });
  assert.equal(targetOf(reference, { service: external, slices: [] }, 0).host, "api.example");
});

test("a condition keeps its time while its status stays, and is not written again when nothing changed", () => {
  const bare = { metadata: {} } as APIService;
  const first = withFinding(bare, unavailable("ServiceNotFound", "a"), 0)!;
  const second = withFinding({ ...bare, status: first }, unavailable("EndpointsNotFound", "b"), 5000)!;
  assert.equal(second.conditions![0]!.lastTransitionTime, "1970-01-01T00:00:00Z");
  const third = withFinding({ ...bare, status: second }, passed, 9000)!;
  assert.equal(third.conditions![0]!.lastTransitionTime, "1970-01-01T00:00:09Z");
  assert.equal(withFinding({ ...bare, status: third }, passed, 10_000), third);
});

const storedServices = (entries: readonly Entry[]) => entries as readonly Entry<APIService>[];

test("built-in groups are registered at the start; what an administrator deletes stays away until the next", async () => {
  const { kinds } = await testApi();
  const writes = planLocal([], kinds, { now: 0, starting: true });
  const core = writes.find(({ key }) => key.name === "v1.")!.object as APIService;
  assert.deepEqual(core.spec, { version: "v1", groupPriorityMinimum: 18_000, versionPriority: 1 });
  assert.deepEqual(core.metadata.labels, { "kube-aggregator.kubernetes.io/automanaged": "onstart" });
  assert.equal(core.status?.conditions?.[0]?.reason, "Local");
  assert.deepEqual(planLocal([], kinds, { now: 0, starting: false }), []);
});

test("a custom group version is registered as long as it is served; what others registered is left alone", async () => {
  const { kinds, store } = await apiWith(cronTabs({ type: "object" }));
  const plan = () => planLocal(storedServices(store.list(apiServices).entries), kinds, { now: 0, starting: false });
  const writes = plan();
  const { metadata, spec } = writes[0]!.object as APIService;
  assert.equal(metadata.name, "v1.stable.example.com");
  assert.deepEqual([spec?.groupPriorityMinimum, spec?.versionPriority], [1000, 100]);
  await store.write(writes);
  assert.deepEqual(plan(), []);
  kinds.remove(kinds.byResource("stable.example.com", "v1", "crontabs")!);
  assert.deepEqual(
    plan().map(({ type, key }) => [type, key.name]),
    [["delete", "v1.stable.example.com"]],
  );
});

test("who asks is told in headers that a client cannot forge", () => {
  const user = { name: "ä", groups: ["a", "b"], uid: "7", extra: { "Example.org/Foo%": ["x"] } };
  assert.deepEqual(userHeaders(user), {
    "x-remote-user": "Ã¤",
    "x-remote-group": ["a", "b"],
    "x-remote-uid": "7",
    "x-remote-extra-example.org%2Ffoo%25": ["x"],
  });
  assert.deepEqual(withoutClaims({ "x-remote-user": "root", "x-forwarded-for": "1.2.3.4", accept: "*/*" }), {
    accept: "*/*",
  });
});
