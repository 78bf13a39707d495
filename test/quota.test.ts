// Quotas over HTTPS: whatever happens at once, what is used never exceeds what is allowed, and nothing stays counted.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Pod, ResourceQuota, Service } from "../src/kinds/index.ts";
import { quotaUsage } from "../src/kinds/quota.ts";
import { isReason } from "../src/machinery/errors.ts";
import { quantityMillis } from "../src/machinery/quantity.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { eventually } from "./harness.ts";

const namespace = "default";
const podOf = (name: string, cpu: string) => ({
  metadata: { name, namespace },
  spec: { containers: [{ name: "c", image: "i", resources: { requests: { cpu } } }] },
});

describe("a quota", { timeout: 60_000 }, () => {
  let plane: ControlPlane;
  /** The most that was ever stored, seen after each commit. */
  const most = { pods: 0, cpu: 0 };

  const stored = () => {
    const usages = plane.store.list("/pods", namespace).entries.map(({ object }) => quotaUsage("/pods", object));
    const cpu = usages.reduce((sum, usage) => sum + quantityMillis(usage["requests.cpu"] ?? "0"), 0);
    return { pods: usages.length, cpu };
  };
  // oxlint-disable-next-line typescript/no-explicit-any
  const create = (name: string, cpu = "500m", options = {}) =>
    plane.admin.create(Pod, podOf(name, cpu) as any, options);
  const resize = (name: string, cpu: string) =>
    plane.admin.patch(
      Pod,
      { name, namespace },
      "strategic",
      { spec: { containers: [{ name: "c", resources: { requests: { cpu } } }] } },
      { subresource: "resize" },
    );
  const remove = (name: string) => plane.admin.delete(Pod, { name, namespace }, { gracePeriodSeconds: 0 });
  const settled = async (work: readonly Promise<unknown>[]) => {
    const results = await Promise.allSettled(work);
    const failures = results.filter((one) => one.status === "rejected").map(({ reason }) => reason as unknown);
    for (const error of failures) {
      assert.ok(isReason(error, "Forbidden", "AlreadyExists", "NotFound", "Conflict", "Invalid"), String(error));
    }
    return { done: results.length - failures.length, failures };
  };

  before(async () => {
    plane = await startControlPlane();
    const hard = { pods: "50", "requests.cpu": "20", "services.nodeports": "3" };
    // oxlint-disable-next-line typescript/no-explicit-any
    await plane.admin.create(ResourceQuota, { metadata: { name: "q", namespace }, spec: { hard } } as any);
    plane.store.watch({ collection: "/pods", after: plane.store.revision }, () => {
      const now = stored();
      most.pods = Math.max(most.pods, now.pods);
      most.cpu = Math.max(most.cpu, now.cpu);
    });
  });
  after(() => plane[Symbol.asyncDispose]());

  test("lets 40 of 200 creates at once through, as many as fit and not one more", async () => {
    const { done, failures } = await settled(Array.from({ length: 200 }, (_, i) => create(`p${i}`)));
    assert.equal(done, 40);
    assert.deepEqual(stored(), { pods: 40, cpu: 20_000 });
    assert.match(
      String(failures[0]),
      /pods "p\d+" is forbidden: exceeded quota: q, requested: requests.cpu=500m, used: requests.cpu=20, limited: requests.cpu=20/,
    );
  });

  test("holds while pods are made, resized and deleted, and while writes fail", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `p${i}`);
    await settled([
      ...names.map((name, i) => resize(name, i % 2 ? "100m" : "900m")),
      ...names.slice(0, 20).map((name) => remove(name)),
      ...Array.from({ length: 100 }, (_, i) => create(`n${i % 60}`, i % 3 ? "250m" : "1")),
      ...Array.from({ length: 40 }, (_, i) => create(`d${i}`, "250m", { dryRun: true })),
      ...Array.from({ length: 40 }, (_, i) => create(`Bad_${i}`)),
    ]);
    assert.ok(most.pods <= 50 && most.cpu <= 20_000, JSON.stringify(most));
  });

  test("has room again for exactly what is not used", async () => {
    const rest = 20_000 - stored().cpu;
    await settled(plane.store.list("/pods", namespace).entries.map(({ key }) => remove(key.name)));
    assert.ok(rest >= 0);
    const { done } = await settled(Array.from({ length: 60 }, (_, i) => create(`again${i}`, "100m")));
    assert.equal(done, 50);
    await eventually("the status follows", async () => {
      const { status } = await plane.admin.get(ResourceQuota, "q", namespace);
      return status?.used?.pods === "50" && status.used["requests.cpu"] === "5";
    });
  });

  test("counts node ports however a Service came by them", async () => {
    const service = (name: string, spec: object) =>
      plane.admin.create(Service, {
        metadata: { name, namespace },
        spec: {
          selector: { a: "b" },
          ports: [
            { name: "x", port: 80 },
            { name: "y", port: 81 },
          ],
          ...spec,
        },
        // oxlint-disable-next-line typescript/no-explicit-any
      } as any);
    await service("inside", {});
    await service("outside", { type: "NodePort" });
    await assert.rejects(
      service("more", { type: "LoadBalancer" }),
      /requested: services.nodeports=2, used: services.nodeports=2, limited: services.nodeports=3/,
    );
    await service("balanced", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false });
  });
});
