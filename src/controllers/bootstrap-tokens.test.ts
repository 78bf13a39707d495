import { test } from "node:test";
import assert from "node:assert/strict";
import type { ConfigMap, Secret } from "../kinds/index.ts";
import { formatTime } from "../machinery/clock.ts";
import { decideClusterInfo, decideTokenEnd, detachedSignature } from "./bootstrap-tokens.ts";
import { meta, now } from "./testing.ts";

const token = (id: string, data: Record<string, string> = {}) =>
  ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: meta(`bootstrap-token-${id}`, { namespace: "kube-system" }),
    type: "bootstrap.kubernetes.io/token",
    data: Object.fromEntries(
      Object.entries({ "token-id": id, "token-secret": "s", "usage-bootstrap-signing": "true", ...data }).map(
        ([key, value]) => [key, Buffer.from(value).toString("base64")],
      ),
    ),
  }) as Secret;

test("a token ends at its time, or at once when its time cannot be read", () => {
  const at = (ms: number) => decideTokenEnd(token("aaaaaa", { expiration: formatTime(now + ms) }), now);
  assert.deepEqual(at(60_000), { actions: [], requeueAfterMs: 60_000 });
  assert.equal(at(0).actions[0]?.type, "delete");
  assert.deepEqual(decideTokenEnd(token("aaaaaa"), now), { actions: [] });
  assert.equal(decideTokenEnd(token("aaaaaa", { expiration: "soon" }), now).actions[0]?.type, "delete");
});

test("every token that may sign signs what is there, and only those", () => {
  const secrets = [
    token("aaaaaa"),
    token("bbbbbb", { "usage-bootstrap-signing": "false" }),
    token("cccccc", { expiration: formatTime(now - 1000) }),
  ];
  const info = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: meta("cluster-info"),
    data: { kubeconfig: "mine", other: "x", "jws-kubeconfig-dddddd": "old" },
  } as ConfigMap;
  const { actions } = decideClusterInfo({ info, secrets }, "default", now);
  const written = (actions[0] as { object: ConfigMap }).object;
  assert.deepEqual(written.data, {
    kubeconfig: "mine",
    other: "x",
    "jws-kubeconfig-aaaaaa": detachedSignature("mine", "aaaaaa", "s"),
  });
  assert.deepEqual(decideClusterInfo({ info: written, secrets }, "default", now).actions, []);
  assert.equal(decideClusterInfo({ info: undefined, secrets: [] }, "default", now).actions[0]?.type, "create");
});

test("the kubeconfig follows the CA, unless it is somebody else's", () => {
  const kubeconfig = (ca: string, server = "s") => `certificate-authority-data: ${ca}\nserver: ${server}\n`;
  const info = (text: string) =>
    ({ apiVersion: "v1", kind: "ConfigMap", metadata: meta("cluster-info"), data: { kubeconfig: text } }) as ConfigMap;
  const decide = (stored: string) =>
    decideClusterInfo({ info: info(stored), secrets: [] }, kubeconfig("new"), now).actions[0] as
      | { object: ConfigMap }
      | undefined;
  assert.equal(decide(kubeconfig("old"))?.object.data?.kubeconfig, kubeconfig("new"));
  assert.equal(decide(kubeconfig("old", "other")), undefined);
});
