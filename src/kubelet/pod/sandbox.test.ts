import assert from "node:assert/strict";
import { test } from "node:test";
import { container, pod } from "../testing.ts";
import { containerConfig } from "./container.ts";
import { qosOf } from "./qos.ts";
import { containerResources, podLimits } from "./resources.ts";
import { dnsOf, hostnameOf, parseResolvConf, sandboxConfig } from "./sandbox.ts";

const hostResolver = parseResolvConf("# x\nsearch corp.example\nnameserver 192.0.2.53\noptions timeout:1\n");
const settings = { clusterDns: "10.96.0.10", clusterDomain: "cluster.local", hostResolver };

test("each DNS policy gives its resolver", () => {
  const cluster = {
    servers: ["10.96.0.10"],
    searches: ["ns.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"],
    options: ["ndots:5"],
  };
  const host = { servers: ["192.0.2.53"], searches: ["corp.example"], options: ["timeout:1"] };
  assert.deepEqual(dnsOf(pod({ dnsPolicy: "ClusterFirst" }), settings), cluster);
  assert.deepEqual(dnsOf(pod({ dnsPolicy: "ClusterFirst", hostNetwork: true }), settings), host);
  assert.deepEqual(dnsOf(pod({ dnsPolicy: "ClusterFirstWithHostNet", hostNetwork: true }), settings), cluster);
  assert.deepEqual(dnsOf(pod({ dnsPolicy: "Default" }), settings), host);
  const dnsConfig = {
    nameservers: ["192.0.2.1"],
    searches: ["a.test"],
    options: [{ name: "ndots", value: "1" }, { name: "edns0" }],
  };
  assert.deepEqual(dnsOf(pod({ dnsPolicy: "None", dnsConfig }), settings), {
    servers: ["192.0.2.1"],
    searches: ["a.test"],
    options: ["ndots:1", "edns0"],
  });
});

test("host names are short, full or given", () => {
  assert.equal(hostnameOf(pod(), "cluster.local"), "p");
  assert.equal(hostnameOf(pod({ hostname: "h", subdomain: "s" }), "cluster.local"), "h");
  assert.equal(
    hostnameOf(pod({ hostname: "h", subdomain: "s", setHostnameAsFQDN: true }), "cluster.local"),
    "h.s.ns.svc.cluster.local",
  );
  assert.equal(
    hostnameOf({ ...pod(), metadata: { ...pod().metadata, name: `${"x".repeat(62)}.y` } }, ""),
    "x".repeat(62),
  );
});

test("the sandbox takes the pod's namespaces and host ports", () => {
  const app = container("app", { ports: [{ containerPort: 80, hostPort: 8080 }, { containerPort: 81 }] });
  const more = { ...settings, attempt: 0, cgroupParent: "/k/podu", logsDir: "/logs" };
  const config = sandboxConfig(pod({ containers: [app], shareProcessNamespace: true }), more);
  assert.deepEqual(config.portMappings, [{ protocol: "TCP", containerPort: 80, hostPort: 8080 }]);
  assert.deepEqual(config.linux.securityContext!.namespaceOptions, { network: "POD", pid: "POD", ipc: "POD" });
  assert.equal(config.logDirectory, "/logs/ns_p_u");
  const host = sandboxConfig(pod({ hostNetwork: true, hostPID: true, hostIPC: true }), more);
  assert.equal(host.hostname, "");
  assert.deepEqual(host.linux.securityContext!.namespaceOptions, { network: "NODE", pid: "NODE", ipc: "NODE" });
});

const image = { id: "sha256:1", repoTags: [], repoDigests: [], size: 1, username: "", pinned: false };
const configured = (
  spec: Parameters<typeof pod>[0],
  own: Parameters<typeof container>[1] = {},
  more: Partial<typeof image> = {},
) =>
  containerConfig(pod(spec), container("app", own), {
    restartCount: 1,
    image: { ...image, ...more },
    environment: new Map([["A", "1"]]),
    mounts: [],
    nodeMemoryBytes: 1 << 30,
  });

test("commands and arguments expand the container's environment", () => {
  const { command, args, logPath } = configured({}, { command: ["run", "$(A)"], args: ["$(B)"] });
  assert.deepEqual([command, args, logPath], [["run", "1"], ["$(B)"], "app/1.log"]);
});

test("a container's security settings override the pod's", () => {
  const { linux } = configured(
    { securityContext: { runAsUser: 1, runAsGroup: 2, fsGroup: 3, seccompProfile: { type: "RuntimeDefault" } } },
    { securityContext: { runAsUser: 9, allowPrivilegeEscalation: false } },
  );
  const security = linux.securityContext!;
  assert.deepEqual([security.runAsUser, security.runAsGroup], [{ value: 9 }, { value: 2 }]);
  assert.deepEqual(security.supplementalGroups, [3]);
  assert.equal(security.noNewPrivs, true);
  assert.equal(security.seccomp!.profileType, "RuntimeDefault");
});

test("runAsNonRoot is checked against the image", () => {
  const nonRoot = { securityContext: { runAsNonRoot: true } };
  assert.throws(() => configured(nonRoot), /image will run as root/);
  assert.throws(() => configured(nonRoot, { securityContext: { runAsUser: 0 } }), /breaks non-root policy/);
  assert.throws(() => configured(nonRoot, {}, { username: "web" }), /non-numeric user \(web\)/);
  assert.doesNotThrow(() => configured(nonRoot, { securityContext: { runAsUser: 5 } }));
});

test("quality of service, cgroup values and OOM scores", () => {
  const spec = (requests?: Record<string, string>, limits?: Record<string, string>) =>
    pod({
      containers: [
        container("app", { resources: { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) } }),
      ],
    }).spec!;
  const guaranteed = spec(undefined, { cpu: "500m", memory: "64Mi" });
  const burstable = spec({ cpu: "100m", memory: "256Mi" });
  assert.deepEqual([qosOf(guaranteed), qosOf(burstable), qosOf(spec())], ["Guaranteed", "Burstable", "BestEffort"]);
  const of = (s: typeof guaranteed) => containerResources(s, s.containers[0]!, 1 << 30);
  assert.deepEqual(of(guaranteed), {
    cpuShares: 512,
    cpuPeriod: 100_000,
    cpuQuota: 50_000,
    memoryLimitInBytes: 64 << 20,
    oomScoreAdj: -997,
  });
  assert.equal(of(burstable).oomScoreAdj, 750);
  assert.deepEqual(of(spec()), { cpuShares: 2, cpuPeriod: 100_000, oomScoreAdj: 1000 });
  assert.deepEqual(podLimits(burstable), {
    qos: "Burstable",
    cpuShares: 102,
    cpuQuota: undefined,
    memoryBytes: undefined,
  });
});
