import assert from "node:assert/strict";
import { test } from "node:test";
import { findStaleFlows, parseFlows } from "./conntrack.ts";

const listing = `udp      17 119 src=10.244.0.4 dst=10.96.0.20 sport=45123 dport=53 src=10.244.0.5 dst=10.244.0.4 sport=5353 dport=45123 [ASSURED] mark=0 use=1
udp      17 19 src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=30053 [UNREPLIED] src=127.0.0.1 dst=127.0.0.1 sport=30053 dport=40000 mark=0 use=1
udp      17 19 src=10.244.0.4 dst=10.244.0.1 sport=41000 dport=53 src=10.244.0.1 dst=10.244.0.4 sport=53 dport=41000 mark=0 use=1
`;

test("flows to a front that none of its backends answers are stale", () => {
  const flows = parseFlows(listing);
  assert.equal(flows.length, 3);
  const stale = (fronts: Record<string, string[]>) =>
    findStaleFlows(flows, new Map(Object.entries(fronts).map(([front, b]) => [front, new Set(b)]))).map(
      (f) => f.sourcePort,
    );
  assert.deepEqual(stale({ "10.96.0.20:53": ["10.244.0.5"] }), []);
  assert.deepEqual(stale({ "10.96.0.20:53": ["10.244.0.6"] }), ["45123"]);
  assert.deepEqual(stale({ ":30053": ["10.244.0.6"] }), ["40000"]);
});
