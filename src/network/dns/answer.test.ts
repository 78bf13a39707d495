// The Kubernetes DNS specification as a table of questions.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Record as DnsRecord } from "dns-packet";
import type { EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import type { Service } from "../../kinds/generated/core.v1.ts";
import { answer, type Records, type Zone } from "./answer.ts";

const zone: Zone = { domain: "cluster.local", address: "10.96.0.10", ranges: ["10.244.0.0/16", "10.96.0.0/12"] };

const service = (name: string, spec: Service["spec"]): Service =>
  ({ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "shop" }, spec }) as Service;

const services = [
  service("web", {
    clusterIP: "10.96.0.20",
    clusterIPs: ["10.96.0.20"],
    ports: [
      { name: "http", port: 80 },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  }),
  service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
  service("peers", { clusterIP: "None", publishNotReadyAddresses: true }),
  service("empty", { clusterIP: "None" }),
  service("out", { type: "ExternalName", externalName: "example.com" }),
];

const slices: EndpointSlice[] = [
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "db-x", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "sql", port: 5433, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.244.0.5"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.244.0.6"], conditions: { ready: true } },
      { addresses: ["10.244.0.7"], hostname: "db-2", conditions: { ready: false } },
    ],
  },
  {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "peers-x", namespace: "shop", labels: { "kubernetes.io/service-name": "peers" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.244.0.9"], hostname: "peer-0", conditions: { ready: false } }],
  },
] as unknown as EndpointSlice[];

const owner = (slice: EndpointSlice) => slice.metadata.labels?.["kubernetes.io/service-name"];
const records: Records = {
  namespaceExists: (name) => name === "shop",
  service: (namespace, name) => services.find((s) => namespace === "shop" && s.metadata.name === name),
  slices: (namespace, name) => slices.filter((slice) => namespace === "shop" && owner(slice) === name),
  serviceByAddress: (ip) => services.find((s) => s.spec?.clusterIP === ip),
  slicesByAddress: (ip) => slices.filter((slice) => slice.endpoints?.some((e) => e.addresses.includes(ip))),
};

const show = (record: DnsRecord) => {
  const { data } = record as { data: string | { priority: number; weight: number; port: number; target: string } };
  return typeof data === "string"
    ? `${record.type} ${data}`
    : `${record.type} ${data.priority} ${data.weight} ${data.port} ${data.target}`;
};

const table: [question: string, expected: string][] = [
  ["A web.shop.svc.cluster.local", "A 10.96.0.20"],
  ["A WEB.Shop.svc.Cluster.local", "A 10.96.0.20"],
  ["AAAA web.shop.svc.cluster.local", "no data"],
  ["A nope.shop.svc.cluster.local", "NXDOMAIN"],
  ["A web.shop.svc.cluster.local.shop.svc.cluster.local", "NXDOMAIN"],
  ["A example.com.shop.svc.cluster.local", "NXDOMAIN"],
  ["A shop.svc.cluster.local", "no data"],
  ["A other.svc.cluster.local", "NXDOMAIN"],
  ["A svc.cluster.local", "no data"],
  ["SRV _http._tcp.web.shop.svc.cluster.local", "SRV 0 100 80 web.shop.svc.cluster.local"],
  ["SRV _dns._udp.web.shop.svc.cluster.local", "SRV 0 100 53 web.shop.svc.cluster.local"],
  ["SRV _dns._tcp.web.shop.svc.cluster.local", "NXDOMAIN"],
  ["A db.shop.svc.cluster.local", "A 10.244.0.5, A 10.244.0.6"],
  ["A db-0.db.shop.svc.cluster.local", "A 10.244.0.5"],
  ["A 10-244-0-6.db.shop.svc.cluster.local", "A 10.244.0.6"],
  ["A db-2.db.shop.svc.cluster.local", "NXDOMAIN"],
  ["A peer-0.peers.shop.svc.cluster.local", "A 10.244.0.9"],
  ["A empty.shop.svc.cluster.local", "no data"],
  [
    "SRV _sql._tcp.db.shop.svc.cluster.local",
    "SRV 0 100 5433 db-0.db.shop.svc.cluster.local, SRV 0 100 5433 10-244-0-6.db.shop.svc.cluster.local",
  ],
  ["A out.shop.svc.cluster.local", "CNAME example.com, then example.com"],
  ["A 10-1-2-3.shop.pod.cluster.local", "A 10.1.2.3"],
  ["A 10-1-2-3.other.pod.cluster.local", "NXDOMAIN"],
  ["A not-an-ip.shop.pod.cluster.local", "NXDOMAIN"],
  ["PTR 20.0.96.10.in-addr.arpa", "PTR web.shop.svc.cluster.local"],
  ["PTR 5.0.244.10.in-addr.arpa", "PTR db-0.db.shop.svc.cluster.local"],
  ["PTR 99.0.244.10.in-addr.arpa", "NXDOMAIN"],
  ["PTR 8.8.8.8.in-addr.arpa", "forwarded"],
  ["TXT dns-version.cluster.local", "TXT 1.1.0"],
  ["A ns.dns.cluster.local", "A 10.96.0.10"],
  ["NS cluster.local", "NS ns.dns.cluster.local"],
  ["A example.com", "forwarded"],
  ["A notcluster.local", "forwarded"],
];

for (const [question, expected] of table)
  test(`${question} → ${expected}`, () => {
    const [type = "", name = ""] = question.split(" ");
    const result = answer({ name, type }, records, zone);
    const shown = !result
      ? "forwarded"
      : result.answers.length === 0
        ? result.rcode === "NXDOMAIN"
          ? "NXDOMAIN"
          : "no data"
        : result.answers.map(show).join(", ") + (result.follow ? `, then ${result.follow}` : "");
    assert.equal(shown, expected);
  });

test("an SRV answer carries the addresses of its targets", () => {
  const result = answer({ name: "_sql._tcp.db.shop.svc.cluster.local", type: "SRV" }, records, zone);
  assert.deepEqual(
    result?.additionals?.map((record) => `${record.name} ${show(record)}`),
    ["db-0.db.shop.svc.cluster.local A 10.244.0.5", "10-244-0-6.db.shop.svc.cluster.local A 10.244.0.6"],
  );
});
