import { test } from "node:test";
import assert from "node:assert/strict";
import type { PodSpec } from "../../../kinds/generated/core.v1.ts";
import { Namespace, Pod } from "../../../kinds/index.ts";
import { asAdmin, testApi } from "../../testing.ts";
import { violations } from "./checks.ts";

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
  ["seccomp", context({ seccompProfile: { type: "Unconfined" } }), /^seccompProfile \(container "c" must not set/],
];

for (const [title, spec, expected] of rows) {
  test(`baseline finds ${title}`, () => {
    const found = violations("baseline", spec);
    assert.equal(found.length, 1);
    assert.match(found[0]!, expected);
  });
}

test("a plain pod passes baseline and fails restricted in four ways", () => {
  assert.deepEqual(violations("baseline", context({})), []);
  assert.deepEqual(violations("restricted", context({})), [
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
  assert.deepEqual(violations("restricted", spec), []);
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
