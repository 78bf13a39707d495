import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "../../kinds/generated/core.v1.ts";
import { assignLoadBalancers } from "./load-balancer.ts";

const service = (
  name: string,
  port: number,
  change: { type?: string; ip?: string; class?: string; age?: string } = {},
) =>
  ({
    metadata: { namespace: "shop", name, creationTimestamp: `2026-01-01T00:00:0${change.age ?? 0}Z` },
    spec: { type: change.type ?? "LoadBalancer", loadBalancerClass: change.class, ports: [{ port }] },
    status: change.ip ? { loadBalancer: { ingress: [{ ip: change.ip }] } } : {},
  }) as unknown as Service;

const assign = (services: Service[], held: number[] = []) =>
  assignLoadBalancers(services, ["192.0.2.2"], (_, port) => (held.includes(port) ? "sshd (pid 1)" : undefined)).map(
    ({ service: { metadata }, addresses, problem }) => `${metadata.name}: ${addresses.join() || problem || "nothing"}`,
  );

test("the node's address goes to every load balancer whose port is free", () => {
  assert.deepEqual(assign([service("a", 80), service("b", 81)]), ["a: 192.0.2.2", "b: 192.0.2.2"]);
});

test("a port goes to who has it already, then to the oldest", () => {
  const older = service("older", 80, { age: "1" });
  const newer = service("newer", 80, { age: "2" });
  assert.deepEqual(assign([newer, older]), [
    "older: 192.0.2.2",
    "newer: port 80 already belongs to Service shop/older",
  ]);
  assert.equal(assign([older, service("newer", 80, { age: "2", ip: "192.0.2.2" })])[0], "newer: 192.0.2.2");
});

test("a port of a process is not taken away from it", () => {
  assert.deepEqual(assign([service("a", 22)], [22]), ["a: port 22 is held by sshd (pid 1)"]);
});

test("other classes are left alone, and a former load balancer gives its address back", () => {
  assert.deepEqual(assign([service("a", 80, { class: "metallb" })]), []);
  assert.deepEqual(assign([service("a", 80, { type: "ClusterIP", ip: "192.0.2.2" })]), ["a: nothing"]);
});
