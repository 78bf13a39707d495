// Services → nft text. The golden file is the whole table; `UPDATE_GOLDEN=1` writes it anew, to be reviewed as a diff.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Pod, Service } from "../../kinds/generated/core.v1.ts";
import type { Endpoint, EndpointSlice } from "../../kinds/generated/discovery.v1.ts";
import { selectBackends } from "./endpoints.ts";
import { emptyFragment } from "./fragment.ts";
import { renderPod, renderService } from "./render.ts";
import { Ruleset } from "./ruleset.ts";

const context = {
  nodeName: "n1",
  podCidr: "10.244.0.0/24",
  clusterCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  localServiceAddresses: ["10.96.0.10"],
};
const options = {
  table: "knarr-golden",
  bridge: "knarr0",
  podCidr: "10.244.0.0/24",
  clusterCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  bridgeNetfilter: true,
  listeners: ["127.0.0.1 . 6443", "10.244.0.1 . 6443"],
};

function service(name: string, spec: Partial<NonNullable<Service["spec"]>>, status: object = {}): Service {
  const defaults = { type: "ClusterIP", clusterIP: "10.96.0.20", ports: [{ port: 80 }] };
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name },
    spec: { ...defaults, ...spec },
    status,
  } as Service;
}

/** `10.244.0.5` is ready on n1; a suffix says otherwise: `@n2`, `!terminating`, `!notReady`. */
function endpoint(text: string): Endpoint {
  const [place = "", state] = text.split("!");
  const [address = "", nodeName = "n1"] = place.split("@");
  const conditions = {
    ready: state === undefined,
    serving: state !== "notReady",
    terminating: state === "terminating",
  };
  return { addresses: [address], nodeName, conditions };
}

const slice = (endpoints: string[], ports: EndpointSlice["ports"] = [{ port: 8080 }]): EndpointSlice =>
  ({ addressType: "IPv4", ports, endpoints: endpoints.map(endpoint) }) as EndpointSlice;

const show = (name: string, spec: Partial<NonNullable<Service["spec"]>>, endpoints: string[], status: object = {}) => {
  const fragment = renderService(service(name, spec, status), [slice(endpoints)], context);
  return {
    elements: [...fragment.elements].map(([key, value]) => (value ? `${key} : ${value}` : key)),
    chains: Object.fromEntries(fragment.chains),
  };
};

const twoPorts = {
  ports: [
    { name: "http", port: 80 },
    { name: "dns", port: 53, protocol: "UDP" },
  ],
};
const twoTargets = [
  { name: "http", port: 8080 },
  { name: "dns", port: 5353, protocol: "UDP" },
];

test("the whole table of a small cluster is as reviewed", () => {
  const ruleset = new Ruleset(options);
  const balancer = { loadBalancer: { ingress: [{ ip: "192.0.2.2" }] } };
  ruleset.update(
    new Map([
      [
        "service shop/web",
        renderService(service("web", twoPorts), [slice(["10.244.0.5", "10.244.1.5@n2"], twoTargets)], context),
      ],
      ["service shop/none", renderService(service("none", { clusterIP: "10.96.0.21" }), [], context)],
      [
        "service shop/outer",
        renderService(
          service(
            "outer",
            {
              clusterIP: "10.96.0.22",
              type: "LoadBalancer",
              externalTrafficPolicy: "Local",
              externalIPs: ["198.51.100.7"],
              loadBalancerSourceRanges: ["203.0.113.0/24", " 198.51.100.0/24"],
              sessionAffinity: "ClientIP",
              sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
              ports: [{ port: 443, nodePort: 30443 }],
            },
            balancer,
          ),
          [slice(["10.244.0.5", "10.244.1.5@n2"])],
          context,
        ),
      ],
    ]),
  );
  const file = join(import.meta.dirname, "golden", "small-cluster.nft");
  if (process.env["UPDATE_GOLDEN"]) writeFileSync(file, ruleset.full());
  assert.equal(ruleset.full(), readFileSync(file, "utf8"));
});

test("a change touches only its own chains and elements", () => {
  const ruleset = new Ruleset(options);
  const render = (endpoints: string[]) => renderService(service("web", {}), [slice(endpoints)], context);
  ruleset.update(new Map([["a", render(["10.244.0.5"])]]));
  assert.equal(
    ruleset.update(new Map([["a", render(["10.244.0.5", "10.244.0.6"])]])).nft,
    `flush chain ip knarr-golden cluster/shop/web/tcp/80
add rule ip knarr-golden cluster/shop/web/tcp/80 meta l4proto tcp dnat to numgen random mod 2 map { 0 : 10.244.0.5 . 8080, 1 : 10.244.0.6 . 8080 }
add element ip knarr-golden hairpin { 10.244.0.6 . 10.244.0.6 }
`,
  );
  assert.equal(ruleset.update(new Map([["a", render(["10.244.0.5", "10.244.0.6"])]])).nft, "");
  assert.equal(
    ruleset.update(new Map([["a", emptyFragment]])).nft,
    `flush chain ip knarr-golden cluster/shop/web/tcp/80
delete element ip knarr-golden hairpin { 10.244.0.5 . 10.244.0.5 }
delete element ip knarr-golden hairpin { 10.244.0.6 . 10.244.0.6 }
delete element ip knarr-golden service-ips { 10.96.0.20 . tcp . 80 }
delete chain ip knarr-golden cluster/shop/web/tcp/80
`,
  );
});

test("an element that two Services claim belongs to the first and passes on when that one goes", () => {
  const ruleset = new Ruleset(options);
  const render = (name: string, ip: string) =>
    renderService(service(name, { clusterIP: ip, externalIPs: ["198.51.100.7"] }), [slice(["10.244.1.5@n2"])], context);
  ruleset.update(new Map([["a", render("a", "10.96.0.30")]]));
  assert.doesNotMatch(ruleset.update(new Map([["b", render("b", "10.96.0.31")]])).nft, /198\.51\.100\.7/);
  assert.match(
    ruleset.update(new Map([["a", emptyFragment]])).nft,
    /delete element ip \S+ service-ips \{ 198.51.100.7 . tcp . 80 \}\nadd element ip \S+ service-ips \{ 198.51.100.7 . tcp . 80 : goto cluster\/shop\/b\/tcp\/80 \}/,
  );
});

test("UDP fronts that lost a backend or are new are reported", () => {
  const ruleset = new Ruleset(options);
  const udp = { ports: [{ port: 53, protocol: "UDP" }] };
  const render = (endpoints: string[]) =>
    renderService(service("dns", udp), [slice(endpoints, [{ port: 53, protocol: "UDP" }])], context);
  const fronts = (endpoints: string[]) =>
    [...ruleset.update(new Map([["a", render(endpoints)]])).udpFronts].map(([front, b]) => `${front} ${[...b].join()}`);
  assert.deepEqual(fronts(["10.244.0.5"]), ["10.96.0.20:53 10.244.0.5"]);
  assert.deepEqual(fronts(["10.244.0.5", "10.244.0.6"]), []);
  assert.deepEqual(fronts(["10.244.0.6"]), ["10.96.0.20:53 10.244.0.6"]);
  assert.deepEqual(fronts([]), ["10.96.0.20:53 "]);
});

test("headless, ExternalName and locally answered addresses add nothing", () => {
  assert.deepEqual(show("h", { clusterIP: "None" }, ["10.244.0.5"]).elements, []);
  assert.deepEqual(show("e", { type: "ExternalName", clusterIP: undefined }, []).elements, []);
  assert.deepEqual(show("dns", { clusterIP: "10.96.0.10" }, ["10.244.1.5@n2"]).elements, ["elsewhere 10.244.1.5"]);
});

test("without endpoints, outside addresses and node ports are refused", () => {
  const spec = { type: "NodePort", externalIPs: ["198.51.100.7"], ports: [{ port: 80, nodePort: 30080 }] };
  assert.deepEqual(show("none", spec, []).elements, [
    "refused-ips 198.51.100.7 . tcp . 80",
    "refused-ports tcp . 30080",
  ]);
});

test("internal traffic policy Local drops when endpoints are elsewhere only", () => {
  const spec = { internalTrafficPolicy: "Local" };
  assert.ok(show("x", spec, ["10.244.1.5@n2"]).elements.includes("service-ips 10.96.0.20 . tcp . 80 : drop"));
  const here = show("x", spec, ["10.244.0.5", "10.244.1.5@n2"]);
  assert.deepEqual(here.chains["local/shop/x/tcp/80"], ["meta l4proto tcp dnat to 10.244.0.5:8080"]);
});

test("serving endpoints that terminate are used only when no endpoint is ready", () => {
  const place = { nodeName: "n1" };
  const select = (...endpoints: string[]) =>
    selectBackends([slice(endpoints)], { port: 80 }, place).cluster.map(({ address }) => address);
  assert.deepEqual(select("10.0.0.1", "10.0.0.2!terminating", "10.0.0.3!notReady"), ["10.0.0.1"]);
  assert.deepEqual(select("10.0.0.2!terminating", "10.0.0.3!notReady"), ["10.0.0.2"]);
  assert.deepEqual(select("10.0.0.3!notReady"), []);
});

test("hints keep traffic on the node or in the zone when every endpoint has one", () => {
  const hinted = (address: string, hints: Endpoint["hints"]) => ({ ...endpoint(address), hints });
  const slices = [
    {
      ...slice([]),
      endpoints: [
        hinted("10.0.0.1", { forNodes: [{ name: "n1" }], forZones: [{ name: "z1" }] }),
        hinted("10.0.0.2@n2", { forNodes: [{ name: "n2" }], forZones: [{ name: "z1" }] }),
        hinted("10.0.0.3@n3", { forNodes: [{ name: "n3" }], forZones: [{ name: "z2" }] }),
      ],
    },
  ];
  const at = (nodeName: string, zone?: string) =>
    selectBackends(slices, { port: 80 }, { nodeName, zone }).cluster.map(({ address }) => address);
  assert.deepEqual(at("n1", "z1"), ["10.0.0.1"]);
  assert.deepEqual(at("n9", "z1"), ["10.0.0.1", "10.0.0.2"]);
  assert.deepEqual(at("n9"), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
});

test("host ports belong to running pods of this node with a network of their own", () => {
  const pod = (change: Partial<NonNullable<Pod["spec"]>>, phase = "Running"): Pod =>
    ({
      metadata: { namespace: "shop", name: "p" },
      spec: {
        nodeName: "n1",
        containers: [
          {
            name: "c",
            ports: [
              { containerPort: 80, hostPort: 8080 },
              { containerPort: 53, hostPort: 53, hostIP: "192.0.2.2", protocol: "UDP" },
            ],
          },
        ],
        ...change,
      },
      status: { podIP: "10.244.0.9", phase },
    }) as unknown as Pod;
  assert.deepEqual(
    [...renderPod(pod({}), context).elements].map(([key, value]) => `${key} : ${value}`),
    [
      "host-ports tcp . 8080 : 10.244.0.9 . 80",
      "hairpin 10.244.0.9 . 10.244.0.9 : ",
      "host-ip-ports 192.0.2.2 . udp . 53 : 10.244.0.9 . 53",
    ],
  );
  assert.equal(renderPod(pod({ hostNetwork: true }), context).elements.size, 0);
  assert.equal(renderPod(pod({ nodeName: "n2" }), context).elements.size, 0);
  assert.equal(renderPod(pod({}, "Succeeded"), context).elements.size, 0);
});

test("where bridged answers escape NAT, clients of the same bridge are masqueraded", () => {
  const rule = "ip saddr 10.244.0.0/24 ip daddr 10.244.0.0/24 ct status dnat masquerade";
  assert.equal(new Ruleset({ ...options, bridgeNetfilter: false }).full().includes(rule), true);
  assert.equal(new Ruleset(options).full().includes(rule), false);
});

test("a Service takes no address of a pod or another Service from outside, with endpoints or without", () => {
  const status = { loadBalancer: { ingress: [{ ip: "10.244.0.1" }, { ip: "192.0.2.9" }] } };
  const spec = { type: "LoadBalancer", externalIPs: ["10.96.0.10", "10.244.7.7", "192.0.2.8"] };
  for (const endpoints of [["10.244.0.5"], []]) {
    const { elements } = show("thief", spec, endpoints, status);
    const addresses = elements.flatMap((text) => /-ips (\S+) /.exec(text)?.[1] ?? []).toSorted();
    assert.deepEqual(addresses, [...(endpoints.length > 0 ? ["10.96.0.20"] : []), "192.0.2.8", "192.0.2.9"]);
  }
});
