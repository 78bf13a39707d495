import assert from "node:assert/strict";
import { test } from "node:test";
import { findConflicts, planPodNetwork, renderCniConfig } from "./cni.ts";

const options = {
  bridge: "knarr0",
  podCidr: "10.244.1.0/24",
  clusterCidr: "10.244.0.0/16",
  serviceCidr: "10.96.0.0/16",
  localServiceAddresses: ["10.96.0.10"],
};

test("the bridge, its addresses and routes are made in one batch, pods and Services never leave by another way", () => {
  assert.deepEqual(planPodNetwork(options, false), [
    "link add name knarr0 address 0a:58:0a:f4:01:01 type bridge",
    "link set dev knarr0 up",
    "addr replace 10.244.1.1/24 brd + dev knarr0",
    "addr replace 10.96.0.10/32 dev knarr0",
    "route replace unreachable 10.244.0.0/16 metric 4278198272",
    "route replace 10.96.0.0/16 dev knarr0 src 10.244.1.1",
  ]);
  assert.equal(planPodNetwork(options, true)[0], "link set dev knarr0 up");
});

test("ranges in use are refused, own routes of an earlier run are not", () => {
  const own = [
    { dst: "default", dev: "eth0" },
    { dst: "192.0.2.0/24", dev: "eth0" },
    { dst: "10.244.1.0/24", dev: "knarr0" },
    { dst: "10.96.0.10", dev: "knarr0", type: "local" },
    { dst: "10.244.0.0/16", type: "unreachable" },
  ];
  assert.deepEqual(findConflicts(options, own), []);
  assert.deepEqual(findConflicts(options, [{ dst: "10.0.0.0/8", dev: "tun0" }]), [
    "the pod range 10.244.0.0/16 overlaps 10.0.0.0/8, which interface tun0 uses",
    "the service range 10.96.0.0/16 overlaps 10.0.0.0/8, which interface tun0 uses",
  ]);
  assert.deepEqual(findConflicts({ ...options, serviceCidr: "10.244.9.0/24" }, []), [
    "the pod range 10.244.0.0/16 and the service range 10.244.9.0/24 overlap",
  ]);
  assert.throws(() => findConflicts({ ...options, podCidr: "10.244.0.0/40" }, []), /not an IPv4 range/);
});

test("the CNI configuration joins pods to the bridge with hairpin and without masquerading", () => {
  const config = renderCniConfig({ ...options, dataDir: "/run/x", networkName: "knarr-a", mtu: 1400 });
  assert.deepEqual(config, {
    cniVersion: "0.4.0",
    name: "knarr-a",
    plugins: [
      {
        type: "bridge",
        bridge: "knarr0",
        isGateway: true,
        ipMasq: false,
        hairpinMode: true,
        mtu: 1400,
        ipam: {
          type: "host-local",
          dataDir: "/run/x",
          ranges: [[{ subnet: "10.244.1.0/24", gateway: "10.244.1.1" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    ],
  });
});
