// Who may do what by default: every verb on every resource for each role, held against a table written down from upstream's
// documented defaults, not from the roles under test.
import { test } from "node:test";
import assert from "node:assert/strict";
import type { PolicyRule } from "../../kinds/generated/rbac.v1.ts";
import { builtinKinds } from "../../kinds/index.ts";
import { realClock } from "../../machinery/clock.ts";
import { openMemoryStore } from "../../store/memory.ts";
import type { UserInfo } from "../types.ts";
import { createRbacAuthorizer } from "./authorizer.ts";
import { bootstrap } from "./bootstrap.ts";
import { ruleAllows } from "./rules.ts";

const letters: Readonly<Record<string, string>> = {
  g: "get",
  l: "list",
  w: "watch",
  c: "create",
  u: "update",
  p: "patch",
  d: "delete",
  x: "deletecollection",
};
const all = "glwcupdx";

/** `resource` or `resource.group`, with subresources. */
const resources = [
  ...builtinKinds.flatMap(({ plural, group, subresources }) => {
    const parts = [...(subresources?.status ? ["status"] : []), ...(subresources?.scale ? ["scale"] : [])];
    return ["", ...parts, ...(subresources?.special ?? [])].map(
      (part) => `${plural}${part ? `/${part}` : ""}${group ? `.${group}` : ""}`,
    );
  }),
  ..."log exec attach portforward proxy eviction binding finalizers".split(" ").map((part) => `pods/${part}`),
  ..."nodes/proxy nodes/log nodes/metrics nodes/stats services/proxy serviceaccounts/token".split(" "),
  ..."signers.certificates.k8s.io certificatesigningrequests/nodeclient.certificates.k8s.io".split(" "),
];

/** Verbs on resources, one line each; whatever is in no line is refused. Later lines replace earlier ones. */
const view = `
glw configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods pods/log pods/status replicationcontrollers
glw replicationcontrollers/scale replicationcontrollers/status serviceaccounts services services/status bindings events limitranges
glw namespaces namespaces/status resourcequotas resourcequotas/status endpointslices.discovery.k8s.io
glw controllerrevisions.apps daemonsets.apps daemonsets/status.apps deployments.apps deployments/scale.apps deployments/status.apps
glw replicasets.apps replicasets/scale.apps replicasets/status.apps statefulsets.apps statefulsets/scale.apps statefulsets/status.apps
glw horizontalpodautoscalers.autoscaling horizontalpodautoscalers/status.autoscaling
glw cronjobs.batch cronjobs/status.batch jobs.batch jobs/status.batch
glw ingresses.networking.k8s.io ingresses/status.networking.k8s.io networkpolicies.networking.k8s.io
glw poddisruptionbudgets.policy poddisruptionbudgets/status.policy
glw resourceclaims.resource.k8s.io resourceclaims/status.resource.k8s.io resourceclaimtemplates.resource.k8s.io
`;
const edit = `${view}
${all} pods pods/attach pods/exec pods/portforward pods/proxy secrets configmaps events persistentvolumeclaims services services/proxy
${all} replicationcontrollers replicationcontrollers/scale serviceaccounts
${all} daemonsets.apps deployments.apps deployments/scale.apps replicasets.apps replicasets/scale.apps statefulsets.apps
${all} statefulsets/scale.apps horizontalpodautoscalers.autoscaling cronjobs.batch jobs.batch poddisruptionbudgets.policy
${all} ingresses.networking.k8s.io networkpolicies.networking.k8s.io leases.coordination.k8s.io
${all} resourceclaims.resource.k8s.io resourceclaimtemplates.resource.k8s.io
c pods/eviction serviceaccounts/token
`;

const table: Readonly<Record<string, string>> = {
  view,
  edit,
  admin: `${edit}
${all} roles.rbac.authorization.k8s.io rolebindings.rbac.authorization.k8s.io
c localsubjectaccessreviews.authorization.k8s.io
`,
  "system:basic-user": `
c selfsubjectaccessreviews.authorization.k8s.io selfsubjectrulesreviews.authorization.k8s.io selfsubjectreviews.authentication.k8s.io
`,
  "system:auth-delegator": "c tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io",
  "system:discovery": "",
  "system:public-info-viewer": "",
  "system:monitoring": "",
  "system:node": `
c tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io localsubjectaccessreviews.authorization.k8s.io
glw services configmaps secrets csidrivers.storage.k8s.io runtimeclasses.node.k8s.io
glwcup nodes
up nodes/status pods/status
cup events
glwcd pods
c pods/eviction serviceaccounts/token
g persistentvolumeclaims persistentvolumes endpoints serviceaccounts volumeattachments.storage.k8s.io resourceclaims.resource.k8s.io
gup persistentvolumeclaims/status
glwc certificatesigningrequests.certificates.k8s.io
gcupd leases.coordination.k8s.io csinodes.storage.k8s.io
${all} resourceslices.resource.k8s.io
`,
  "system:node-bootstrapper": "glwc certificatesigningrequests.certificates.k8s.io",
  "system:node-proxier": `
lw endpoints services endpointslices.discovery.k8s.io servicecidrs.networking.k8s.io
glw nodes
cup events events.events.k8s.io
`,
  "system:node-problem-detector": "g nodes\np nodes/status\ncup events events.events.k8s.io",
  "system:kube-dns": "lw endpoints services",
  "system:kubelet-api-admin": `glw nodes\n${all} nodes/proxy nodes/log nodes/metrics nodes/stats`,
  "system:volume-scheduler": "glwup persistentvolumes persistentvolumeclaims\nglw storageclasses.storage.k8s.io",
  "system:persistent-volume-provisioner": `
glwcd persistentvolumes
glwu persistentvolumeclaims
glw storageclasses.storage.k8s.io
wcup events
cup events.events.k8s.io
`,
  "system:kube-scheduler": `
cup events events.events.k8s.io
c leases.coordination.k8s.io bindings pods/binding tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io
glw nodes namespaces replicationcontrollers services persistentvolumeclaims persistentvolumes replicasets.apps statefulsets.apps
glw poddisruptionbudgets.policy csinodes.storage.k8s.io csidrivers.storage.k8s.io csistoragecapacities.storage.k8s.io
glw volumeattachments.storage.k8s.io deviceclasses.resource.k8s.io resourceslices.resource.k8s.io
glwd pods
up pods/status
glwup pods/finalizers resourceclaims.resource.k8s.io resourceclaims/status.resource.k8s.io
`,
  "system:kube-controller-manager": `
lw *
cuplw events events.events.k8s.io
clw leases.coordination.k8s.io serviceaccounts/token tokenreviews.authentication.k8s.io subjectaccessreviews.authorization.k8s.io
glwcud secrets
glwcu serviceaccounts
glw configmaps namespaces
`,
  "system:controller:replicaset-controller": `
glwu replicasets.apps
u replicasets/status.apps
lwcpd pods
cup events events.events.k8s.io
`,
  "system:controller:namespace-controller": `
glwdx *
glwdxu namespaces/status namespaces/finalize
`,
  "system:controller:generic-garbage-collector": "glwupd *\nglwcupd events events.events.k8s.io",
  "system:certificates.k8s.io:certificatesigningrequests:nodeclient":
    "c certificatesigningrequests/nodeclient.certificates.k8s.io",
  "cluster-admin": `${all} *`,
};

function expected(lines: string): Map<string, string> {
  const rows = new Map<string, string>();
  for (const line of lines.split("\n").filter(Boolean)) {
    const [verbs = "", ...names] = line.split(" ");
    for (const name of names[0] === "*" ? resources : names) {
      assert.ok(resources.includes(name), `${name} is no resource`);
      rows.set(name, [...all].filter((letter) => verbs.includes(letter)).join(""));
    }
  }
  return rows;
}

function allows(rules: readonly PolicyRule[], name: string, verb: string): boolean {
  const [path = "", ...groups] = name.split(".");
  const [resource = "", subresource = ""] = path.split("/");
  const user = { name: "", groups: [] };
  const attributes = {
    user,
    verb,
    group: groups.join("."),
    version: "v1",
    resource,
    subresource,
    namespace: "n",
    name: "",
  };
  return rules.some((rule) => ruleAllows(rule, attributes));
}

async function setup() {
  const store = await openMemoryStore({ clock: realClock });
  await bootstrap({ store, clock: realClock, rootCaPem: "", serviceCidr: "10.96.0.0/16" });
  return { store, authorizer: createRbacAuthorizer(store) };
}

test("each default role may do on each resource what upstream's may, and nothing else", async () => {
  const { authorizer } = await setup();
  for (const [name, lines] of Object.entries(table)) {
    const rules = authorizer.rulesOfRole({ kind: "ClusterRole", name }, "")!;
    const rows = expected(lines);
    for (const resource of new Set(resources)) {
      const got = [...all].filter((letter) => allows(rules, resource, letters[letter]!)).join("");
      assert.equal(got, rows.get(resource) ?? "", `${name}: ${resource}`);
    }
  }
});

test("who is nobody, who is somebody and who watches over the server read different paths", async () => {
  const { authorizer } = await setup();
  const may = (user: UserInfo, path: string, verb = "get") =>
    authorizer.authorize({
      user,
      verb,
      path,
      group: "",
      version: "",
      resource: "",
      subresource: "",
      namespace: "",
      name: "",
    }).allowed;
  const anonymous = { name: "system:anonymous", groups: ["system:unauthenticated"] };
  const jane = { name: "jane", groups: ["system:authenticated"] };
  const monitor = { name: "m", groups: ["system:monitoring"] };
  const pod = { name: "system:serviceaccount:a:b", groups: ["system:serviceaccounts", "system:authenticated"] };
  const rows: readonly [path: string, ...allowed: readonly UserInfo[]][] = [
    ["/healthz", anonymous, jane, monitor, pod],
    ["/livez", anonymous, jane, monitor, pod],
    ["/readyz", anonymous, jane, monitor, pod],
    ["/version", anonymous, jane, pod],
    ["/api", jane, pod],
    ["/apis/apps/v1", jane, pod],
    ["/openapi/v3", jane, pod],
    ["/metrics", monitor],
    ["/healthz/etcd", monitor],
    ["/openid/v1/jwks", pod],
    ["/.well-known/openid-configuration", pod],
    ["/debug/pprof/profile"],
    ["/logs"],
  ];
  for (const [path, ...able] of rows) {
    for (const user of [anonymous, jane, monitor, pod]) {
      assert.equal(may(user, path), able.includes(user), `${user.name} ${path}`);
      assert.equal(may(user, path, "post"), false);
    }
  }
});

test("components and controllers are bound to their roles, and roles with names to nothing else", async () => {
  const { authorizer } = await setup();
  const may = (name: string, verb: string, resource: string, group = "", namespace = "", object = "") => {
    const rest = { version: "v1", resource, subresource: "", namespace, name: object };
    return authorizer.authorize({ user: { name, groups: ["system:authenticated"] }, verb, group, ...rest }).allowed;
  };
  const account = (name: string) => `system:serviceaccount:kube-system:${name}`;
  assert.ok(may("system:kube-scheduler", "delete", "pods"));
  assert.ok(may("system:kube-scheduler", "update", "leases", "coordination.k8s.io", "kube-system", "kube-scheduler"));
  assert.ok(!may("system:kube-scheduler", "update", "leases", "coordination.k8s.io", "kube-system", "other"));
  assert.ok(may("system:kube-scheduler", "patch", "persistentvolumes"));
  assert.ok(may("system:kube-proxy", "list", "services"));
  assert.ok(!may("system:kube-proxy", "get", "secrets", "", "default", "a"));
  assert.ok(may(account("job-controller"), "create", "pods", "", "default"));
  assert.ok(!may(account("job-controller"), "create", "secrets", "", "default"));
  assert.ok(
    may(account("clusterrole-aggregation-controller"), "escalate", "clusterroles", "rbac.authorization.k8s.io"),
  );
  assert.ok(may(account("token-cleaner"), "delete", "secrets", "", "kube-system"));
  assert.ok(!may(account("token-cleaner"), "delete", "secrets", "", "default"));
  assert.ok(may(account("bootstrap-signer"), "update", "configmaps", "", "kube-public", "cluster-info"));
  assert.ok(!may(account("bootstrap-signer"), "update", "configmaps", "", "kube-public", "other"));
  assert.ok(
    may("system:kube-controller-manager", "get", "configmaps", "", "kube-system", "extension-apiserver-authentication"),
  );
  // Nodes have the Node authorizer; the role of their name is bound to nobody.
  const node = { name: "system:node:a", groups: ["system:nodes", "system:authenticated"] };
  const attributes = {
    verb: "get",
    group: "",
    version: "v1",
    resource: "secrets",
    subresource: "",
    namespace: "n",
    name: "s",
  };
  assert.equal(authorizer.authorize({ user: node, ...attributes }).allowed, false);
});

test("what a default role or binding lacks comes back at the next start, unless somebody forbids it", async () => {
  const { store, authorizer } = await setup();
  const key = (plural: string, name: string) => ({
    collection: `rbac.authorization.k8s.io/${plural}`,
    namespace: "",
    name,
  });
  const change = async (plural: string, name: string, fields: object, annotations: Record<string, string> = {}) => {
    const { object, revision } = store.latest(key(plural, name))!;
    const metadata = { ...object.metadata, annotations: { ...object.metadata.annotations, ...annotations } };
    await store.write([
      {
        type: "update",
        key: key(plural, name),
        expectedRevision: revision,
        object: { ...object, ...fields, metadata },
      },
    ]);
  };
  const rule = { verbs: ["get"], apiGroups: ["example.com"], resources: ["widgets"] };
  await change("clusterroles", "system:kube-dns", { rules: [rule] });
  await change(
    "clusterroles",
    "system:volume-scheduler",
    { rules: [] },
    { "rbac.authorization.kubernetes.io/autoupdate": "false" },
  );
  await change("clusterrolebindings", "system:kube-scheduler", { subjects: [] });
  await bootstrap({ store, clock: realClock, rootCaPem: "", serviceCidr: "10.96.0.0/16" });
  const rules = (name: string) => authorizer.rulesOfRole({ kind: "ClusterRole", name }, "")!;
  assert.ok(allows(rules("system:kube-dns"), "services", "watch"));
  assert.ok(allows(rules("system:kube-dns"), "widgets.example.com", "get"));
  assert.deepEqual(rules("system:volume-scheduler"), []);
  const scheduler = { name: "system:kube-scheduler", groups: [] };
  assert.ok(authorizer.policyRulesFor(scheduler, "").length > 0);
  const { revision } = store;
  await bootstrap({ store, clock: realClock, rootCaPem: "", serviceCidr: "10.96.0.0/16" });
  assert.equal(store.revision, revision);
});
