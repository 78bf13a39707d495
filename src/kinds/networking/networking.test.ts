import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyKind } from "../registry.ts";
import { cells, changed, changeFaults, faults, made } from "../testing.ts";
import { canonicalAddress, containsStrictly } from "./cidr.ts";
import { Ingress } from "./ingress.ts";
import { IngressClass } from "./ingress-class.ts";
import { IPAddress } from "./addresses.ts";
import { NetworkPolicy } from "./network-policy.ts";
import { ServiceCIDR } from "./addresses.ts";

const backend = { service: { name: "web", port: { number: 80 } } };
const ingress = {
  spec: { rules: [{ host: "a.example.com", http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }] },
};
const policy = {
  spec: {
    podSelector: {},
    ingress: [{ from: [{ podSelector: {} }], ports: [{ port: 80, endPort: 90 }] }],
    egress: [{ to: [{ ipBlock: { cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] } }] }],
  },
};
const ingressClass = { spec: { controller: "example.com/nginx" } };

test("good objects pass", () => {
  assert.deepEqual(faults(Ingress, ingress), []);
  assert.deepEqual(faults(Ingress, { spec: { defaultBackend: backend } }), []);
  assert.deepEqual(faults(NetworkPolicy, policy), []);
  assert.deepEqual(faults(IngressClass, ingressClass), []);
  assert.deepEqual(faults(ServiceCIDR, { spec: { cidrs: ["10.0.0.0/24", "fd00::/112"] } }), []);
  const parentRef = { resource: "services", namespace: "default", name: "web" };
  assert.deepEqual(faults(IPAddress, { spec: { parentRef } }, { name: "10.0.0.1" }), []);
});

test("each fault is named by its path", () => {
  const rule = "spec.rules.0.http.paths.0";
  const ruleField = "spec.rules[0].http.paths[0]";
  const table: [AnyKind, object, string, unknown, string][] = [
    [Ingress, ingress, "spec", {}, "spec"],
    [Ingress, ingress, "spec.rules.0.host", "10.0.0.1", "spec.rules[0].host"],
    [Ingress, ingress, "spec.rules.0.host", "a.*.com", "spec.rules[0].host"],
    [Ingress, ingress, "spec.rules.0.http.paths", [], "spec.rules[0].http.paths"],
    [Ingress, ingress, `${rule}.pathType`, undefined, `${ruleField}.pathType`],
    [Ingress, ingress, `${rule}.pathType`, "Other", `${ruleField}.pathType`],
    [Ingress, ingress, `${rule}.path`, "a", `${ruleField}.path`],
    [Ingress, ingress, `${rule}.path`, "/a/../b", `${ruleField}.path`],
    [Ingress, ingress, `${rule}.backend`, {}, `${ruleField}.backend`],
    [Ingress, ingress, `${rule}.backend.service.port`, { number: 1, name: "a" }, `${ruleField}.backend`],
    [Ingress, ingress, `${rule}.backend.service.port`, { number: 70000 }, `${ruleField}.backend.service.port.number`],
    [Ingress, ingress, "spec.tls", [{ hosts: ["A"] }], "spec.tls[0].hosts[0]"],
    [Ingress, ingress, "spec.ingressClassName", "A", "spec.ingressClassName"],
    [NetworkPolicy, policy, "spec.podSelector", { matchLabels: { "-": "" } }, "spec.podSelector.matchLabels"],
    [NetworkPolicy, policy, "spec.ingress.0.from.0", {}, "spec.ingress[0].from[0]"],
    [NetworkPolicy, policy, "spec.egress.0.to.0.podSelector", {}, "spec.egress[0].to[0]"],
    [NetworkPolicy, policy, "spec.egress.0.to.0.ipBlock.cidr", "10", "spec.egress[0].to[0].ipBlock.cidr"],
    [
      NetworkPolicy,
      policy,
      "spec.egress.0.to.0.ipBlock.except",
      ["11.0.0.0/9"],
      "spec.egress[0].to[0].ipBlock.except[0]",
    ],
    [NetworkPolicy, policy, "spec.ingress.0.ports.0.endPort", 79, "spec.ingress[0].ports[0].endPort"],
    [NetworkPolicy, policy, "spec.ingress.0.ports.0.protocol", "ICMP", "spec.ingress[0].ports[0].protocol"],
    [NetworkPolicy, policy, "spec.policyTypes", ["Sideways"], "spec.policyTypes[0]"],
    [IngressClass, ingressClass, "spec.controller", "nginx", "spec.controller"],
    [
      IngressClass,
      ingressClass,
      "spec.parameters",
      { kind: "K", name: "n", scope: "Namespace" },
      "spec.parameters.namespace",
    ],
    [ServiceCIDR, {}, "spec.cidrs", ["10.0.0.0/24", "10.1.0.0/24"], "spec"],
    [ServiceCIDR, {}, "spec.cidrs", ["10.0.0.0"], "spec.cidrs[0]"],
    [IPAddress, {}, "spec.parentRef", undefined, "metadata.name"],
  ];
  for (const [kind, base, at, value, field] of table) {
    assert.ok(faults(kind, changed(base, at, value)).includes(field), `${kind.kind} ${at} ${JSON.stringify(value)}`);
  }
  assert.deepEqual(faults(IPAddress, {}, { name: "FD00::1" }), ["metadata.name", "spec.parentRef"]);
});

test("a policy without types is for incoming traffic, and for outgoing when it has such rules", () => {
  assert.deepEqual(made<NetworkPolicy>(NetworkPolicy, { spec: {} }).spec?.policyTypes, ["Ingress"]);
  const object = made<NetworkPolicy>(NetworkPolicy, policy);
  assert.deepEqual(object.spec?.policyTypes, ["Ingress", "Egress"]);
  assert.equal(object.spec?.ingress?.[0]?.ports?.[0]?.protocol, "TCP");
});

test("the controller of a class and the ranges of services stay", () => {
  const old = made(IngressClass, ingressClass);
  assert.equal(changeFaults(IngressClass, old, changed(old, "spec.controller", "example.com/b")).length, 1);
  const range = made(ServiceCIDR, { spec: { cidrs: ["10.0.0.0/24"] } });
  assert.equal(changeFaults(ServiceCIDR, range, changed(range, "spec.cidrs", ["10.0.1.0/24"])).length, 1);
});

test("the table of ingresses shows class, hosts, addresses and ports", () => {
  const hosts = ["a", "b", "c", "d"].map((host) => ({ host }));
  const object = made<Ingress>(Ingress, { spec: { ingressClassName: "n", rules: hosts, tls: [{}] } });
  object.status = { loadBalancer: { ingress: [{ ip: "10.0.0.1" }, { hostname: "h" }] } };
  const { Class, Hosts, Address, Ports } = cells(Ingress, object);
  assert.deepEqual([Class, Hosts, Address, Ports], ["n", "a,b,c + 1 more...", "10.0.0.1,h", "80, 443"]);
});

test("containment of address ranges", () => {
  assert.ok(containsStrictly("10.0.0.0/8", "10.1.0.0/16"));
  assert.ok(!containsStrictly("10.0.0.0/8", "10.0.0.0/8"));
  assert.ok(!containsStrictly("10.0.0.0/8", "11.0.0.0/16"));
  assert.ok(containsStrictly("fd00::/8", "fd00:1::/32"));
  assert.ok(containsStrictly("0.0.0.0/0", "1.2.3.4/32"));
  assert.ok(!containsStrictly("::/0", "10.0.0.0/8"));
  assert.equal(canonicalAddress("FD00:0:0::1"), "fd00::1");
});
