// What admission policies cost: pods created in process with none, with one that matches, and with its surroundings (2,000
// roles, audit notes wanted). Rounds take turns, so that drift of the machine touches all alike; CPU time is what counts.
// Usage: scripts/node.sh bench/admission.ts
import { createApi } from "../src/apiserver/core/api.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import type { Api, RequestContext } from "../src/apiserver/types.ts";
import { builtinKinds, Pod } from "../src/kinds/index.ts";
import { KindRegistry } from "../src/kinds/registry.ts";
import { realClock } from "../src/machinery/clock.ts";
import { silentLogger } from "../src/machinery/log.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import { openMemoryStore } from "../src/store/memory.ts";

const serviceCidr = "10.96.0.0/16";
const rootCaPem = "-----BEGIN CERTIFICATE-----\ntest\n-----END CERTIFICATE-----\n";
const podsPerRound = 1000;
const rounds = 9;
const roles = 2000;

const context = (name: string, audit = false): RequestContext => ({
  user: { name, groups: ["system:authenticated"] },
  userAgent: "bench",
  trusted: false,
  warnings: [],
  ...(audit ? { auditAnnotations: new Map<string, string>() } : {}),
});

const policySpec = {
  failurePolicy: "Fail",
  matchConstraints: {
    resourceRules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] }],
  },
  variables: [{ name: "containers", expression: "object.spec.containers" }],
  validations: [
    { expression: "variables.containers.all(c, c.image.startsWith('registry.example.com/'))" },
    { expression: "!has(object.spec.hostNetwork) || !object.spec.hostNetwork" },
    { expression: "variables.containers.all(c, has(c.resources.requests) && 'cpu' in c.resources.requests)" },
  ],
  auditAnnotations: [{ key: "containers", valueExpression: "string(variables.containers.size())" }],
};

async function server(options: { policy: boolean; roles: number }): Promise<Api> {
  const clock = realClock;
  const store = await openMemoryStore({ clock });
  const kinds = new KindRegistry(builtinKinds);
  const log = silentLogger;
  const api = createApi({ store, kinds, clock, log, serviceCidr, rootCaPem, clusterDomain: "cluster.local" });
  await bootstrap({ store, clock, rootCaPem, serviceCidr });
  const root: RequestContext = { ...context("root"), user: { name: "root", groups: ["system:masters"] } };
  const create = (apiVersion: string, kind: string, name: string, body: object, namespace = "") =>
    api.create(
      root,
      kinds.byApiVersion(apiVersion, kind)!,
      namespace,
      { apiVersion, kind, metadata: { name }, ...body } as unknown as KubeObject,
      {},
    );
  const rbac = "rbac.authorization.k8s.io/v1";
  const subjects = [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "user" }];
  await create(rbac, "ClusterRole", "pods", { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["create"] }] });
  const bind = (name: string, who = subjects) => ({
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
    subjects: who,
  });
  await create(rbac, "ClusterRoleBinding", "pods", bind("pods"));
  for (let i = 0; i < options.roles; i++) {
    const rules = [{ apiGroups: [""], resources: ["configmaps"], resourceNames: [`c${i}`], verbs: ["get"] }];
    await create(rbac, "Role", `role-${i}`, { rules }, "default");
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: `role-${i}` };
    await create(
      rbac,
      "RoleBinding",
      `role-${i}`,
      { roleRef, subjects: i % 10 ? [{ ...subjects[0]!, name: `u${i}` }] : subjects },
      "default",
    );
  }
  if (options.policy) {
    const group = "admissionregistration.k8s.io/v1";
    await create(group, "ValidatingAdmissionPolicy", "p", { spec: policySpec });
    await create(group, "ValidatingAdmissionPolicyBinding", "p", {
      spec: { policyName: "p", validationActions: ["Deny"] },
    });
  }
  return api;
}

const pod = (name: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { app: "shop", tier: "web" }, annotations: { "example.com/number": name } },
  spec: {
    serviceAccountName: "default",
    automountServiceAccountToken: false,
    containers: ["web", "sidecar"].map((container) => ({
      name: container,
      image: `registry.example.com/shop/${container}:1.2.3`,
      env: [{ name: "MODE", value: "production" }],
      resources: { requests: { cpu: "100m", memory: "64Mi" } },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    })),
    volumes: [{ name: "data", emptyDir: {} }],
  },
});

/** Microseconds of CPU for each pod. */
async function round(api: Api, first: number, audit: boolean): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < podsPerRound; i++) {
    await api.create(context("user", audit), Pod, "default", pod(`pod-${first + i}`) as unknown as KubeObject, {});
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / podsPerRound;
}

const cases = [
  { title: "no policy", api: await server({ policy: false, roles: 0 }), audit: false },
  { title: "one policy", api: await server({ policy: true, roles: 0 }), audit: false },
  { title: `${roles} roles, audit notes, one policy`, api: await server({ policy: true, roles }), audit: true },
];
const measured = cases.map((): number[] => []);
for (let n = 0; n < rounds; n++) {
  for (const [i, { api, audit }] of cases.entries()) measured[i]!.push(await round(api, n * podsPerRound, audit));
}
const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const base = median(measured[0]!.slice(1));
console.table(
  cases.map(({ title }, i) => {
    const micros = median(measured[i]!.slice(1));
    return {
      case: title,
      "CPU µs per create": Math.round(micros),
      "creates/s of CPU": Math.round(1e6 / micros),
      "loss %": Number((100 * (1 - base / micros)).toFixed(1)),
    };
  }),
);
