// The roles and bindings that every cluster starts with, as rows.
// Follows kubernetes v1.36 plugin/pkg/auth/authorizer/rbac/bootstrappolicy (which role may do what).
import type { PolicyRule, Subject } from "../../kinds/generated/rbac.v1.ts";
import type { NewObject } from "../../machinery/object.ts";

const rbacGroup = "rbac.authorization.k8s.io";
const apiVersion = `${rbacGroup}/v1`;

const read = "get list watch";
const write = "create delete deletecollection patch update";
const readWrite = `${read} ${write}`;

/** One rule: verbs, a group ("" is written as core) and resources, each separated by spaces. */
const rule = (verbs: string, group: string, resources: string): PolicyRule => ({
  apiGroups: [group === "core" ? "" : group],
  resources: resources.split(" "),
  verbs: verbs.split(" "),
});

const urls = (...nonResourceURLs: string[]): PolicyRule => ({ nonResourceURLs, verbs: ["get"] });

const events: readonly PolicyRule[] = [
  rule("create patch update", "core", "events"),
  rule("create patch update", "events.k8s.io", "events"),
];

const aggregate = (to: string) => `${rbacGroup}/aggregate-to-${to}`;

/** What `view` sees: everything of a namespace but secrets and roles. */
const viewRules: readonly PolicyRule[] = [
  rule(
    read,
    "core",
    "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
  ),
  rule(
    read,
    "core",
    "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
  ),
  rule(read, "core", "namespaces"),
  rule(read, "discovery.k8s.io", "endpointslices"),
  rule(
    read,
    "apps",
    "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
  ),
  rule(read, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
  rule(read, "batch", "cronjobs cronjobs/status jobs jobs/status"),
  rule(read, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
  rule(read, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
  rule(read, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"),
];

const editRules: readonly PolicyRule[] = [
  rule(read, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
  rule("impersonate", "core", "serviceaccounts"),
  rule(write, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
  rule("create", "core", "pods/eviction"),
  rule(
    write,
    "core",
    "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
  ),
  rule("create", "core", "serviceaccounts/token"),
  rule(
    write,
    "apps",
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
  ),
  rule(write, "autoscaling", "horizontalpodautoscalers"),
  rule(write, "batch", "cronjobs jobs"),
  rule(write, "networking.k8s.io", "ingresses networkpolicies"),
  rule(write, "policy", "poddisruptionbudgets"),
  rule(write, "resource.k8s.io", "resourceclaims resourceclaimtemplates"),
  rule(readWrite, "coordination.k8s.io", "leases"),
];

const adminRules: readonly PolicyRule[] = [
  rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
  rule(readWrite, rbacGroup, "rolebindings roles"),
];

interface RoleRow {
  readonly rules: readonly PolicyRule[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Label values `aggregate-to-<name>` of the roles whose rules this one collects. */
  readonly collects?: string;
}

const clusterRoleRows: Readonly<Record<string, RoleRow>> = {
  "cluster-admin": { rules: [rule("*", "*", "*"), { nonResourceURLs: ["*"], verbs: ["*"] }] },
  admin: { rules: [...adminRules, ...editRules, ...viewRules], collects: "admin" },
  edit: { rules: [...editRules, ...viewRules], labels: { [aggregate("admin")]: "true" }, collects: "edit" },
  view: { rules: viewRules, labels: { [aggregate("edit")]: "true" }, collects: "view" },
  "system:aggregate-to-admin": { rules: adminRules, labels: { [aggregate("admin")]: "true" } },
  "system:aggregate-to-edit": { rules: editRules, labels: { [aggregate("edit")]: "true" } },
  "system:aggregate-to-view": { rules: viewRules, labels: { [aggregate("view")]: "true" } },
  "system:discovery": {
    rules: [
      urls(
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
      ),
    ],
  },
  "system:public-info-viewer": { rules: [urls("/healthz", "/livez", "/readyz", "/version", "/version/")] },
  "system:monitoring": {
    rules: [urls("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*")],
  },
  "system:basic-user": {
    rules: [
      rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
      rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
  },
  "system:service-account-issuer-discovery": {
    rules: [
      urls(
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/",
        "/openid/v1/jwks",
        "/openid/v1/jwks/",
      ),
    ],
  },
  "system:auth-delegator": {
    rules: [
      rule("create", "authentication.k8s.io", "tokenreviews"),
      rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
  },
  "system:kubelet-api-admin": {
    rules: [
      rule(read, "core", "nodes"),
      rule("proxy", "core", "nodes"),
      rule("*", "core", "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats"),
    ],
  },
  "system:node-bootstrapper": {
    rules: [rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests")],
  },
  "system:node-problem-detector": {
    rules: [rule("get", "core", "nodes"), rule("patch", "core", "nodes/status"), ...events],
  },
  "system:node-proxier": {
    rules: [
      rule("list watch", "core", "endpoints services"),
      rule("get list watch", "core", "nodes"),
      ...events,
      rule("list watch", "discovery.k8s.io", "endpointslices"),
      rule("list watch", "networking.k8s.io", "servicecidrs"),
    ],
  },
  "system:persistent-volume-provisioner": {
    rules: [
      rule("create delete get list watch", "core", "persistentvolumes"),
      rule("get list update watch", "core", "persistentvolumeclaims"),
      rule(read, "storage.k8s.io", "storageclasses"),
      rule("watch", "core", "events"),
      ...events,
    ],
  },
  "system:kube-dns": { rules: [rule("list watch", "core", "endpoints services")] },
  "system:volume-scheduler": {
    rules: [
      rule("get list patch update watch", "core", "persistentvolumes"),
      rule(read, "storage.k8s.io", "storageclasses"),
      rule("get list patch update watch", "core", "persistentvolumeclaims"),
    ],
  },
  "system:kube-scheduler": {
    rules: [
      ...events,
      rule("create", "coordination.k8s.io", "leases"),
      { ...rule("get update", "coordination.k8s.io", "leases"), resourceNames: ["kube-scheduler"] },
      rule(read, "core", "namespaces nodes"),
      rule("delete get list watch", "core", "pods"),
      rule("create", "core", "bindings pods/binding"),
      rule("patch update", "core", "pods/status"),
      rule(read, "core", "persistentvolumeclaims persistentvolumes replicationcontrollers services"),
      rule(read, "apps", "replicasets statefulsets"),
      rule(read, "policy", "poddisruptionbudgets"),
      rule(read, "storage.k8s.io", "csidrivers csinodes csistoragecapacities storageclasses volumeattachments"),
      rule("create", "authentication.k8s.io", "tokenreviews"),
      rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
  },
  "system:kube-controller-manager": {
    rules: [
      ...events,
      rule("create", "coordination.k8s.io", "leases"),
      { ...rule("get update", "coordination.k8s.io", "leases"), resourceNames: ["kube-controller-manager"] },
      rule("create delete get update", "core", "secrets serviceaccounts"),
      rule("get", "core", "configmaps namespaces"),
      rule("create", "core", "serviceaccounts/token"),
      rule("list watch", "*", "*"),
      rule("create", "authentication.k8s.io", "tokenreviews"),
      rule("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
  },
  "system:node": {
    rules: [
      rule("create", "authentication.k8s.io", "tokenreviews"),
      rule("create", "authorization.k8s.io", "localsubjectaccessreviews subjectaccessreviews"),
      rule(read, "core", "services"),
      rule("create get list watch", "core", "nodes"),
      rule("patch update", "core", "nodes nodes/status"),
      ...events,
      rule("create delete get list watch", "core", "pods"),
      rule("patch update", "core", "pods/status"),
      rule("create", "core", "pods/eviction"),
      rule(read, "core", "configmaps secrets"),
      rule("get", "core", "persistentvolumeclaims persistentvolumes"),
      rule("get", "core", "endpoints"),
      rule("create get list watch", "certificates.k8s.io", "certificatesigningrequests"),
      rule("create delete get patch update", "coordination.k8s.io", "leases"),
      rule("get", "storage.k8s.io", "volumeattachments"),
      rule("create", "core", "serviceaccounts/token"),
      rule("get patch update", "core", "persistentvolumeclaims/status"),
      rule(read, "storage.k8s.io", "csidrivers"),
      rule("create delete get patch update", "storage.k8s.io", "csinodes"),
      rule(read, "node.k8s.io", "runtimeclasses"),
      rule("get", "resource.k8s.io", "resourceclaims"),
      rule("deletecollection list watch", "resource.k8s.io", "resourceslices"),
      rule("create delete get patch update", "resource.k8s.io", "resourceslices"),
    ],
  },
};

const user = (name: string): Subject => ({ apiGroup: rbacGroup, kind: "User", name });
const group = (name: string): Subject => ({ apiGroup: rbacGroup, kind: "Group", name });
const account = (namespace: string, name: string): Subject => ({ kind: "ServiceAccount", namespace, name });

const clusterBindingRows: Readonly<Record<string, readonly Subject[]>> = {
  "cluster-admin": [group("system:masters")],
  "system:monitoring": [group("system:monitoring")],
  "system:discovery": [group("system:authenticated")],
  "system:public-info-viewer": [group("system:authenticated"), group("system:unauthenticated")],
  "system:basic-user": [group("system:authenticated")],
  "system:service-account-issuer-discovery": [group("system:serviceaccounts")],
  "system:node-proxier": [user("system:kube-proxy")],
  "system:kube-controller-manager": [user("system:kube-controller-manager")],
  "system:kube-dns": [account("kube-system", "kube-dns")],
  "system:kube-scheduler": [user("system:kube-scheduler")],
  "system:volume-scheduler": [user("system:kube-scheduler")],
};

const bootstrapMetadata = (name: string, labels: Readonly<Record<string, string>> = {}) => ({
  name,
  annotations: { "rbac.authorization.kubernetes.io/autoupdate": "true" },
  labels: { "kubernetes.io/bootstrapping": "rbac-defaults", ...labels },
});

/** The default ClusterRoles and their bindings; aggregated roles come with their rules. */
export function defaultRoles(): NewObject[] {
  const roles = Object.entries(clusterRoleRows).map(([name, { rules, labels, collects }]) => ({
    apiVersion,
    kind: "ClusterRole",
    metadata: bootstrapMetadata(name, labels),
    ...(collects
      ? { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregate(collects)]: "true" } }] } }
      : {}),
    rules: [...rules],
  }));
  const bindings = Object.entries(clusterBindingRows).map(([name, subjects]) => ({
    apiVersion,
    kind: "ClusterRoleBinding",
    metadata: bootstrapMetadata(name),
    roleRef: { apiGroup: rbacGroup, kind: "ClusterRole", name },
    subjects: [...subjects],
  }));
  return [...roles, ...bindings, ...namespacedRoles()];
}

/** Whoever asks may read the API server's authentication settings, and everybody the public cluster information. */
function namespacedRoles(): NewObject[] {
  const row = (kind: "Role" | "RoleBinding", namespace: string, name: string, rest: object) => ({
    apiVersion,
    kind,
    metadata: { ...bootstrapMetadata(name), namespace },
    ...rest,
  });
  const reader = "extension-apiserver-authentication-reader";
  return [
    row("Role", "kube-system", reader, {
      rules: [{ ...rule(read, "core", "configmaps"), resourceNames: ["extension-apiserver-authentication"] }],
    }),
    row("RoleBinding", "kube-system", `system::${reader}`, {
      roleRef: { apiGroup: rbacGroup, kind: "Role", name: reader },
      subjects: [user("system:kube-controller-manager"), user("system:kube-scheduler")],
    }),
  ];
}
