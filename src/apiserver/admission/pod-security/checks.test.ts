import { test } from "node:test";
import assert from "node:assert/strict";
import type { PodSpec } from "../../../kinds/generated/core.v1.ts";
import { Deployment, Namespace, Pod } from "../../../kinds/index.ts";
import { asAdmin, testApi } from "../../testing.ts";
import { violations, type Level } from "./checks.ts";

/** As in messages. */
const found = (level: Level, spec: PodSpec, minor = Infinity, annotations = {}) =>
  violations(level, minor, spec, annotations).map(({ reason, detail }) => `${reason} (${detail})`);

const context = (securityContext: object, rest: object = {}): PodSpec =>
  ({ containers: [{ name: "c", securityContext }], ...rest }) as PodSpec;

const rows: readonly [title: string, spec: PodSpec, expected: RegExp][] = [
  [
    "host namespaces",
    context({}, { hostNetwork: true, hostPID: true }),
    /^host namespaces \(hostNetwork=true, hostPID=true\)$/,
  ],
  [
    "privileged",
    context({ privileged: true }),
    /^privileged \(container "c" must not set securityContext.privileged=true\)$/,
  ],
  [
    "capabilities",
    context({ capabilities: { add: ["NET_ADMIN", "CHOWN"] } }),
    /^non-default capabilities \(container "c" must not include "NET_ADMIN"/,
  ],
  [
    "host paths",
    context({}, { volumes: [{ name: "v", hostPath: { path: "/" } }] }),
    /^hostPath volumes \(volume "v"\)$/,
  ],
  [
    "sysctls",
    context({}, { securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }),
    /^forbidden sysctls \(kernel.msgmax\)$/,
  ],
  [
    "SELinux",
    context({ seLinuxOptions: { type: "x", user: "u" } }, { securityContext: { seLinuxOptions: { role: "r" } } }),
    /^seLinuxOptions \(pod and container "c" set forbidden securityContext.seLinuxOptions: type "x"; user may not be set; role may not be set\)$/,
  ],
  [
    "hosts of probes",
    { containers: [{ name: "c", livenessProbe: { httpGet: { port: 80, host: "h" } } }] },
    /^probe or lifecycle host \(container "c" uses probe or lifecycle host "h"\)$/,
  ],
  ["seccomp", context({ seccompProfile: { type: "Unconfined" } }), /^seccompProfile \(container "c" must not set/],
];

for (const [title, spec, expected] of rows) {
  test(`baseline finds ${title}`, () => {
    const texts = found("baseline", spec);
    assert.equal(texts.length, 1);
    assert.match(texts[0]!, expected);
  });
}

test("a plain pod passes baseline and fails restricted in four ways", () => {
  assert.deepEqual(found("baseline", context({})), []);
  assert.deepEqual(found("restricted", context({})), [
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false)',
    'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"])',
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
  ]);
});

test("a careful pod passes restricted", () => {
  const spec = context(
    { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
    { securityContext: { runAsNonRoot: true, seccompProfile: { type: "RuntimeDefault" } } },
  );
  assert.deepEqual(found("restricted", spec), []);
});

test("a namespace's label refuses pods, and another only warns", async () => {
  const { api } = await testApi();
  const label = (mode: string) => ({ [`pod-security.kubernetes.io/${mode}`]: "restricted" });
  const create = async (namespace: string, labels: object) => {
    await api.create(asAdmin(), Namespace, "", { metadata: { name: namespace, labels } } as unknown as Namespace, {});
    const admin = asAdmin();
    const pod = { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } } as unknown as Pod;
    await api.create(admin, Pod, namespace, pod, {});
    return admin.warnings;
  };
  await assert.rejects(
    create("strict", label("enforce")),
    /pods "p" is forbidden: violates PodSecurity "restricted:latest": allowPriv/,
  );
  assert.match((await create("warning", label("warn"))).join(), /would violate PodSecurity/);
});

test("a version of the standards has the checks of its time", () => {
  const reasons = (minor: number, level: Level, spec: PodSpec, annotations = {}) =>
    violations(level, minor, spec, annotations).map(({ reason }) => reason);
  const sysctl = (name: string) => context({}, { securityContext: { sysctls: [{ name, value: "1" }] } });
  assert.deepEqual(reasons(26, "baseline", sysctl("net.ipv4.ip_local_reserved_ports")), ["forbidden sysctls"]);
  assert.deepEqual(reasons(27, "baseline", sysctl("net.ipv4.ip_local_reserved_ports")), []);
  assert.deepEqual(reasons(31, "baseline", sysctl("net.ipv4.tcp_rmem")), ["forbidden sysctls"]);
  const engine = context({ seLinuxOptions: { type: "container_engine_t" } });
  assert.deepEqual(reasons(30, "baseline", engine), ["seLinuxOptions"]);
  assert.deepEqual(reasons(31, "baseline", engine), []);
  assert.deepEqual(reasons(7, "restricted", context({})), ["runAsNonRoot != true"]);
  assert.deepEqual(reasons(21, "restricted", context({})), [
    "allowPrivilegeEscalation != false",
    "runAsNonRoot != true",
    "seccompProfile",
  ]);
  const windows = context({}, { os: { name: "windows" }, securityContext: { runAsNonRoot: true } });
  assert.equal(reasons(24, "restricted", windows).length, 3);
  assert.deepEqual(reasons(25, "restricted", windows), []);
  const unconfined = { "seccomp.security.alpha.kubernetes.io/pod": "unconfined" };
  assert.deepEqual(reasons(18, "baseline", context({}), unconfined), ["seccompProfile"]);
  assert.deepEqual(reasons(19, "baseline", context({}), unconfined), []);
  assert.deepEqual(
    reasons(22, "restricted", context({ runAsUser: 0, runAsNonRoot: true })).includes("runAsUser=0"),
    false,
  );
});

test("what overrides a pod's setting badly is told, not what lacks it", () => {
  const spec = context(
    { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] }, runAsNonRoot: false },
    { securityContext: { runAsNonRoot: true, seccompProfile: { type: "Unconfined" } } },
  );
  assert.deepEqual(found("restricted", spec), [
    'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
  ]);
});

test("labels are valid, workloads are warned of, the audit log is told, and a stricter level names existing pods", async () => {
  const { api } = await testApi();
  const prefix = "pod-security.kubernetes.io";
  const bad = { metadata: { name: "bad", labels: { [`${prefix}/enforce`]: "x", [`${prefix}/warn-version`]: "1.2" } } };
  await assert.rejects(
    api.create(asAdmin(), Namespace, "", bad as unknown as Namespace, {}),
    /Invalid value: "x": must be one of privileged, baseline, restricted.*must be "latest" or "v1.x"/,
  );
  const labels = { [`${prefix}/audit`]: "baseline", [`${prefix}/audit-version`]: "v1.25" };
  await api.create(asAdmin(), Namespace, "", { metadata: { name: "n", labels } } as unknown as Namespace, {});
  const auditAnnotations = new Map<string, string>();
  const spec = { hostNetwork: true, containers: [{ name: "c", image: "i" }] };
  for (const name of ["a", "b"]) {
    const pod = { metadata: { name }, spec: structuredClone(spec) } as unknown as Pod;
    await api.create({ ...asAdmin(), auditAnnotations }, Pod, "n", pod, {});
  }
  assert.deepEqual(
    auditAnnotations.get(`${prefix}/audit-violations`),
    'would violate PodSecurity "baseline:v1.25": host namespaces (hostNetwork=true)',
  );
  const admin = asAdmin();
  const stricter = { metadata: { labels: { [`${prefix}/enforce`]: "baseline" } } };
  await api.patch(admin, Namespace, { namespace: "", name: "n" }, "merge", stricter, {});
  assert.deepEqual(admin.warnings, [
    'existing pods in namespace "n" violate the new PodSecurity enforce level "baseline:latest"',
    "a (and 1 other pod): host namespaces",
  ]);
  const workload = asAdmin();
  const template = { metadata: { labels: { a: "b" } }, spec };
  const deployment = { metadata: { name: "d" }, spec: { selector: { matchLabels: { a: "b" } }, template } };
  await api.create(workload, Deployment, "n", deployment as unknown as Deployment, {});
  assert.deepEqual(workload.warnings, [
    'would violate PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
  ]);
});
