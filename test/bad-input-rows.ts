// What a client can get wrong, as rows: the request, and the Status that Kubernetes gives for it.
// Follows kubernetes v1.36 pkg/apis/*/validation, apiserver/pkg/endpoints (codes, reasons, field paths).
import type { StatusReason } from "../src/machinery/errors.ts";

// oxlint-disable-next-line typescript/no-explicit-any
type Any = any;

/** Templates of valid objects; rows change one thing in them. */
export const templates = {
  namespace: { apiVersion: "v1", kind: "Namespace", metadata: { name: "fresh" } },
  configMap: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "fresh" }, data: { a: "b" } },
  secret: { apiVersion: "v1", kind: "Secret", metadata: { name: "fresh" }, data: { a: "Yg==" } },
  serviceAccount: { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "fresh" } },
  pod: {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "fresh", labels: { app: "web" } },
    spec: {
      containers: [
        {
          name: "main",
          image: "example/main:1",
          ports: [{ containerPort: 80 }],
          env: [{ name: "A", value: "b" }],
          resources: { requests: { cpu: "100m" }, limits: { cpu: "200m" } },
          volumeMounts: [{ name: "data", mountPath: "/data" }],
          livenessProbe: { httpGet: { path: "/", port: 80 } },
        },
      ],
      volumes: [{ name: "data", emptyDir: {} }],
    },
  },
  service: {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "fresh" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  },
  claim: {
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name: "fresh" },
    spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
  },
  volume: {
    apiVersion: "v1",
    kind: "PersistentVolume",
    metadata: { name: "fresh" },
    spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/tmp/a" } },
  },
  quota: { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "fresh" }, spec: { hard: { pods: "5" } } },
  limits: {
    apiVersion: "v1",
    kind: "LimitRange",
    metadata: { name: "fresh" },
    spec: { limits: [{ type: "Container", max: { cpu: "1" }, default: { cpu: "1" } }] },
  },
  deployment: {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "fresh" },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "main", image: "example/main:1" }] },
      },
    },
  },
  statefulSet: {
    apiVersion: "apps/v1",
    kind: "StatefulSet",
    metadata: { name: "fresh" },
    spec: {
      serviceName: "fresh",
      selector: { matchLabels: { app: "db" } },
      template: {
        metadata: { labels: { app: "db" } },
        spec: { containers: [{ name: "main", image: "example/main:1" }] },
      },
    },
  },
  daemonSet: {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: "fresh" },
    spec: {
      selector: { matchLabels: { app: "agent" } },
      template: {
        metadata: { labels: { app: "agent" } },
        spec: { containers: [{ name: "main", image: "example/main:1" }] },
      },
    },
  },
  job: {
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name: "fresh" },
    spec: {
      template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "example/main:1" }] } },
    },
  },
  cronJob: {
    apiVersion: "batch/v1",
    kind: "CronJob",
    metadata: { name: "fresh" },
    spec: {
      schedule: "* * * * *",
      jobTemplate: {
        spec: {
          template: { spec: { restartPolicy: "Never", containers: [{ name: "main", image: "example/main:1" }] } },
        },
      },
    },
  },
  ingress: {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name: "fresh" },
    spec: {
      rules: [
        {
          host: "shop.example",
          http: {
            paths: [{ path: "/", pathType: "Prefix", backend: { service: { name: "web", port: { number: 80 } } } }],
          },
        },
      ],
    },
  },
  networkPolicy: {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "fresh" },
    spec: { podSelector: {}, ingress: [{ from: [{ ipBlock: { cidr: "10.0.0.0/8" } }], ports: [{ port: 80 }] }] },
  },
  autoscaler: {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "fresh" },
    spec: {
      minReplicas: 1,
      maxReplicas: 3,
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" },
      metrics: [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
      ],
    },
  },
  budget: {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: { name: "fresh" },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "web" } } },
  },
  role: {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "Role",
    metadata: { name: "fresh" },
    rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }],
  },
  roleBinding: {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "RoleBinding",
    metadata: { name: "fresh" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reader" },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "eve" }],
  },
  priorityClass: {
    apiVersion: "scheduling.k8s.io/v1",
    kind: "PriorityClass",
    metadata: { name: "fresh" },
    value: 10,
  },
  storageClass: {
    apiVersion: "storage.k8s.io/v1",
    kind: "StorageClass",
    metadata: { name: "fresh" },
    provisioner: "example.com/disk",
  },
  lease: {
    apiVersion: "coordination.k8s.io/v1",
    kind: "Lease",
    metadata: { name: "fresh" },
    spec: { leaseDurationSeconds: 10 },
  },
  definition: {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "fishes.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "fishes", singular: "fish", kind: "Fish", listKind: "FishList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  },
  endpointSlice: {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "fresh" },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.1"] }],
    ports: [{ port: 80, protocol: "TCP" }],
  },
} as const;

export type TemplateName = keyof typeof templates;

/** Collections of the templates. */
export const collections: Readonly<Record<TemplateName, string>> = {
  namespace: "/api/v1/namespaces",
  configMap: "/api/v1/namespaces/default/configmaps",
  secret: "/api/v1/namespaces/default/secrets",
  serviceAccount: "/api/v1/namespaces/default/serviceaccounts",
  pod: "/api/v1/namespaces/default/pods",
  service: "/api/v1/namespaces/default/services",
  claim: "/api/v1/namespaces/default/persistentvolumeclaims",
  volume: "/api/v1/persistentvolumes",
  quota: "/api/v1/namespaces/default/resourcequotas",
  limits: "/api/v1/namespaces/default/limitranges",
  deployment: "/apis/apps/v1/namespaces/default/deployments",
  statefulSet: "/apis/apps/v1/namespaces/default/statefulsets",
  daemonSet: "/apis/apps/v1/namespaces/default/daemonsets",
  job: "/apis/batch/v1/namespaces/default/jobs",
  cronJob: "/apis/batch/v1/namespaces/default/cronjobs",
  ingress: "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
  networkPolicy: "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
  autoscaler: "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
  budget: "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
  role: "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
  roleBinding: "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
  priorityClass: "/apis/scheduling.k8s.io/v1/priorityclasses",
  storageClass: "/apis/storage.k8s.io/v1/storageclasses",
  lease: "/apis/coordination.k8s.io/v1/namespaces/default/leases",
  definition: "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  endpointSlice: "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
};

/** A copy of the object with one field (`spec.ports[0].port`) set, or removed when the value is undefined. */
export function change(object: Any, path: string, value: unknown): Any {
  const copy = structuredClone(object);
  const steps = path.split(/\.(?![^[]*\])|\[/).map((step) => step.replace(/\]$/, ""));
  let at = copy;
  for (const step of steps.slice(0, -1)) at = at[step] ??= {};
  if (value === undefined) delete at[steps.at(-1)!];
  else at[steps.at(-1)!] = structuredClone(value);
  return copy;
}

type Fault = "Required" | "Invalid" | "Duplicate" | "NotFound" | "NotSupported" | "Forbidden" | "TooLong" | "TooMany";

/** template, changed field, its value, and the field and kind of the complaint. */
export type InvalidRow = readonly [TemplateName, string, unknown, string, Fault];

const long = "x".repeat(254);
const container = "spec.containers[0]";
const podTemplate = { metadata: { labels: { app: "other" } }, spec: { containers: [{ name: "a", image: "b" }] } };

/** New objects that validation refuses with 422. */
export const invalidObjects: readonly InvalidRow[] = [
  // Names and metadata
  ["configMap", "metadata.name", "Upper", "metadata.name", "Invalid"],
  ["configMap", "metadata.name", "under_score", "metadata.name", "Invalid"],
  ["configMap", "metadata.name", "-dash", "metadata.name", "Invalid"],
  ["configMap", "metadata.name", "a b", "metadata.name", "Invalid"],
  ["configMap", "metadata.name", long, "metadata.name", "Invalid"],
  ["configMap", "metadata", {}, "metadata.name", "Required"],
  ["configMap", "metadata", { generateName: "UPPER-" }, "metadata.name", "Invalid"],
  ["namespace", "metadata.name", "a.b", "metadata.name", "Invalid"],
  ["namespace", "metadata.name", "x".repeat(64), "metadata.name", "Invalid"],
  ["service", "metadata.name", "1web", "metadata.name", "Invalid"],
  ["configMap", "metadata.labels", { "bad key": "x" }, "metadata.labels", "Invalid"],
  ["configMap", "metadata.labels", { key: "bad value" }, "metadata.labels", "Invalid"],
  ["configMap", "metadata.labels", { key: "x".repeat(64) }, "metadata.labels", "Invalid"],
  ["configMap", "metadata.annotations", { "bad key": "x" }, "metadata.annotations", "Invalid"],
  ["configMap", "metadata.annotations", { key: "x".repeat(262145) }, "metadata.annotations", "TooLong"],
  ["configMap", "metadata.finalizers", ["unqualified"], "metadata.finalizers", "Invalid"],
  [
    "configMap",
    "metadata.ownerReferences",
    [{ apiVersion: "v1", kind: "Pod", name: "a" }],
    "metadata.ownerReferences.uid",
    "Invalid",
  ],
  // ConfigMaps, Secrets, ServiceAccounts
  ["configMap", "data", { "bad/key": "x" }, "data[bad/key]", "Invalid"],
  ["configMap", "data", { "..": "x" }, "data[..]", "Invalid"],
  ["configMap", "binaryData", { a: "Yg==" }, "data[a]", "Invalid"],
  ["configMap", "data", { big: "x".repeat(1024 * 1024 + 1) }, "", "TooLong"],
  ["secret", "data", { "bad key": "Yg==" }, "data[bad key]", "Invalid"],
  ["secret", "type", "kubernetes.io/dockerconfigjson", "data[.dockerconfigjson]", "Required"],
  ["secret", "type", "kubernetes.io/tls", "data[tls.crt]", "Required"],
  ["secret", "type", "kubernetes.io/ssh-auth", "data[ssh-privatekey]", "Required"],
  [
    "secret",
    "type",
    "kubernetes.io/service-account-token",
    "metadata.annotations[kubernetes.io/service-account.name]",
    "Required",
  ],
  // Pods
  ["pod", "spec.containers", [], "spec.containers", "Required"],
  ["pod", `${container}.name`, "Main", `${container}.name`, "Invalid"],
  ["pod", `${container}.name`, undefined, `${container}.name`, "Required"],
  ["pod", `${container}.image`, undefined, `${container}.image`, "Required"],
  ["pod", `${container}.image`, " padded", `${container}.image`, "Invalid"],
  ["pod", `${container}.imagePullPolicy`, "Sometimes", `${container}.imagePullPolicy`, "NotSupported"],
  ["pod", `${container}.ports[0].containerPort`, 0, `${container}.ports[0].containerPort`, "Required"],
  ["pod", `${container}.ports[0].containerPort`, 65536, `${container}.ports[0].containerPort`, "Invalid"],
  ["pod", `${container}.ports[0].hostPort`, 70000, `${container}.ports[0].hostPort`, "Invalid"],
  ["pod", `${container}.ports[0].protocol`, "ICMP", `${container}.ports[0].protocol`, "NotSupported"],
  ["pod", `${container}.ports[0].name`, "a-very-long-port-name", `${container}.ports[0].name`, "Invalid"],
  [
    "pod",
    `${container}.ports`,
    [
      { name: "a", containerPort: 1 },
      { name: "a", containerPort: 2 },
    ],
    `${container}.ports[1].name`,
    "Duplicate",
  ],
  ["pod", `${container}.env[0].name`, "", `${container}.env[0].name`, "Required"],
  ["pod", `${container}.env[0].name`, "a=b", `${container}.env[0].name`, "Invalid"],
  [
    "pod",
    `${container}.env[0].valueFrom`,
    { configMapKeyRef: { name: "a", key: "b" } },
    `${container}.env[0].valueFrom`,
    "Invalid",
  ],
  [
    "pod",
    `${container}.env[0]`,
    { name: "A", valueFrom: { fieldRef: { fieldPath: "status.nothing" } } },
    `${container}.env[0].valueFrom.fieldRef.fieldPath`,
    "Invalid",
  ],
  ["pod", `${container}.resources.limits.cpu`, "50m", `${container}.resources.requests`, "Invalid"],
  ["pod", `${container}.resources.requests.cpu`, "-1", `${container}.resources.requests[cpu]`, "Invalid"],
  ["pod", `${container}.resources.requests`, { "example.com/gpu": "1" }, `${container}.resources.limits`, "Required"],
  ["pod", `${container}.volumeMounts[0].name`, "nothing", `${container}.volumeMounts[0].name`, "NotFound"],
  ["pod", `${container}.volumeMounts[0].mountPath`, "", `${container}.volumeMounts[0].mountPath`, "Required"],
  ["pod", `${container}.volumeMounts[0].subPath`, "../up", `${container}.volumeMounts[0].subPath`, "Invalid"],
  ["pod", `${container}.livenessProbe`, {}, `${container}.livenessProbe`, "Required"],
  ["pod", `${container}.livenessProbe.httpGet.port`, 0, `${container}.livenessProbe.httpGet.port`, "Invalid"],
  ["pod", `${container}.livenessProbe.periodSeconds`, -1, `${container}.livenessProbe.periodSeconds`, "Invalid"],
  ["pod", `${container}.livenessProbe.successThreshold`, 2, `${container}.livenessProbe.successThreshold`, "Invalid"],
  [
    "pod",
    `${container}.securityContext`,
    { privileged: true, allowPrivilegeEscalation: false },
    `${container}.securityContext`,
    "Invalid",
  ],
  ["pod", `${container}.securityContext`, { runAsUser: -1 }, `${container}.securityContext.runAsUser`, "Invalid"],
  ["pod", `${container}.lifecycle`, { preStop: {} }, `${container}.lifecycle.preStop`, "Required"],
  ["pod", `${container}.terminationMessagePolicy`, "Never", `${container}.terminationMessagePolicy`, "NotSupported"],
  [
    "pod",
    "spec.containers",
    [
      { name: "a", image: "b" },
      { name: "a", image: "b" },
    ],
    "spec.containers[1].name",
    "Duplicate",
  ],
  ["pod", "spec.initContainers", [{ name: "main", image: "b" }], "spec.initContainers[0].name", "Duplicate"],
  ["pod", "spec.ephemeralContainers", [{ name: "e", image: "b" }], "spec.ephemeralContainers", "Forbidden"],
  [
    "pod",
    "spec.volumes",
    [
      { name: "data", emptyDir: {} },
      { name: "data", emptyDir: {} },
    ],
    "spec.volumes[1].name",
    "Duplicate",
  ],
  [
    "pod",
    "spec.volumes",
    [{ name: "data", emptyDir: {}, hostPath: { path: "/a" } }],
    "spec.volumes[0].hostPath",
    "Forbidden",
  ],
  [
    "pod",
    "spec.volumes",
    [{ name: "data", hostPath: { path: "/a/../b" } }],
    "spec.volumes[0].hostPath.path",
    "Invalid",
  ],
  ["pod", "spec.volumes", [{ name: "data", secret: {} }], "spec.volumes[0].secret.secretName", "Required"],
  ["pod", "spec.restartPolicy", "Maybe", "spec.restartPolicy", "NotSupported"],
  ["pod", "spec.dnsPolicy", "Custom", "spec.dnsPolicy", "NotSupported"],
  ["pod", "spec.dnsPolicy", "None", "spec.dnsConfig", "Required"],
  ["pod", "spec.nodeSelector", { "bad key": "x" }, "spec.nodeSelector", "Invalid"],
  ["pod", "spec.hostname", "Not.A.Label", "spec.hostname", "Invalid"],
  ["pod", "spec.nodeName", "Bad Node", "spec.nodeName", "Invalid"],
  ["pod", "spec.activeDeadlineSeconds", 0, "spec.activeDeadlineSeconds", "Invalid"],
  ["pod", "spec.tolerations", [{ operator: "Exists", value: "x" }], "spec.tolerations[0].operator", "Invalid"],
  ["pod", "spec.tolerations", [{ key: "a", effect: "Push" }], "spec.tolerations[0].effect", "NotSupported"],
  ["pod", "spec.hostAliases", [{ ip: "nowhere" }], "spec.hostAliases[0].ip", "Invalid"],
  [
    "pod",
    "spec.affinity",
    { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
    "Required",
  ],
  [
    "pod",
    "spec.topologySpreadConstraints",
    [{ maxSkew: 0, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }],
    "spec.topologySpreadConstraints[0].maxSkew",
    "Invalid",
  ],
  // Services
  ["service", "spec.ports", [], "spec.ports", "Required"],
  ["service", "spec.ports[0].port", 0, "spec.ports[0].port", "Invalid"],
  ["service", "spec.ports[0].targetPort", 70000, "spec.ports[0].targetPort", "Invalid"],
  ["service", "spec.ports[0].targetPort", "Not A Name", "spec.ports[0].targetPort", "Invalid"],
  ["service", "spec.ports[0].protocol", "HTTP", "spec.ports[0].protocol", "NotSupported"],
  ["service", "spec.ports", [{ port: 80 }, { port: 81 }], "spec.ports[0].name", "Required"],
  [
    "service",
    "spec.ports",
    [
      { name: "a", port: 80 },
      { name: "a", port: 81 },
    ],
    "spec.ports[1].name",
    "Duplicate",
  ],
  ["service", "spec.type", "Magic", "spec.type", "NotSupported"],
  ["service", "spec.selector", { "bad key": "x" }, "spec.selector", "Invalid"],
  ["service", "spec.sessionAffinity", "Always", "spec.sessionAffinity", "NotSupported"],
  ["service", "spec.clusterIP", "nowhere", "spec.clusterIPs[0]", "Invalid"],
  ["service", "spec.clusterIP", "192.168.7.7", "spec.clusterIPs", "Invalid"],
  ["service", "spec", { type: "ExternalName" }, "spec.externalName", "Required"],
  ["service", "spec", { type: "NodePort", ports: [{ port: 80, nodePort: 80 }] }, "spec.ports[0].nodePort", "Invalid"],
  ["service", "spec.ports[0].nodePort", 30080, "spec.ports[0].nodePort", "Forbidden"],
  ["service", "spec.externalIPs", ["127.0.0.1"], "spec.externalIPs[0]", "Invalid"],
  // Volumes
  ["claim", "spec.accessModes", [], "spec.accessModes", "Required"],
  ["claim", "spec.accessModes", ["Everywhere"], "spec.accessModes", "NotSupported"],
  ["claim", "spec.resources.requests", {}, "spec.resources[storage]", "Required"],
  ["claim", "spec.resources.requests.storage", "-1", "spec.resources[storage]", "Invalid"],
  ["volume", "spec.capacity", {}, "spec.capacity", "Required"],
  ["volume", "spec.hostPath", undefined, "spec", "Required"],
  ["volume", "spec.persistentVolumeReclaimPolicy", "Burn", "spec.persistentVolumeReclaimPolicy", "NotSupported"],
  ["storageClass", "provisioner", "", "provisioner", "Required"],
  ["storageClass", "volumeBindingMode", "Later", "volumeBindingMode", "NotSupported"],
  // Quotas
  ["quota", "spec.hard", { "no good": "1" }, "spec.hard[no good]", "Invalid"],
  ["quota", "spec.hard", { pods: "-1" }, "spec.hard[pods]", "Invalid"],
  ["limits", "spec.limits[0].max", { cpu: "500m" }, "spec.limits[0].default[cpu]", "Invalid"],
  // Workloads
  ["deployment", "spec.replicas", -1, "spec.replicas", "Invalid"],
  ["deployment", "spec.selector", {}, "spec.selector", "Invalid"],
  ["deployment", "spec.selector", undefined, "spec.selector", "Required"],
  ["deployment", "spec.template", podTemplate, "spec.template.metadata.labels", "Invalid"],
  ["deployment", "spec.template.spec.containers", [], "spec.template.spec.containers", "Required"],
  ["deployment", "spec.template.spec.restartPolicy", "Never", "spec.template.spec.restartPolicy", "NotSupported"],
  ["deployment", "spec.strategy", { type: "Burst" }, "spec.strategy", "NotSupported"],
  [
    "deployment",
    "spec.strategy",
    { type: "Recreate", rollingUpdate: { maxSurge: 1 } },
    "spec.strategy.rollingUpdate",
    "Forbidden",
  ],
  [
    "deployment",
    "spec.strategy",
    { type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } },
    "spec.strategy.rollingUpdate.maxUnavailable",
    "Invalid",
  ],
  [
    "deployment",
    "spec.strategy",
    { rollingUpdate: { maxUnavailable: "lots" } },
    "spec.strategy.rollingUpdate.maxUnavailable",
    "Invalid",
  ],
  ["deployment", "spec.progressDeadlineSeconds", 0, "spec.progressDeadlineSeconds", "Invalid"],
  ["deployment", "spec.minReadySeconds", -1, "spec.minReadySeconds", "Invalid"],
  [
    "deployment",
    "spec.selector",
    { matchExpressions: [{ key: "app", operator: "Near", values: ["web"] }] },
    "spec.selector.matchExpressions[0].operator",
    "Invalid",
  ],
  [
    "deployment",
    "spec.selector",
    { matchExpressions: [{ key: "app", operator: "In" }] },
    "spec.selector.matchExpressions[0].values",
    "Required",
  ],
  ["statefulSet", "spec.podManagementPolicy", "Chaos", "spec.podManagementPolicy", "Invalid"],
  ["statefulSet", "spec.updateStrategy", { type: "Sometimes" }, "spec.updateStrategy", "Invalid"],
  ["statefulSet", "spec.replicas", -1, "spec.replicas", "Invalid"],
  ["daemonSet", "spec.updateStrategy", { type: "Sometimes" }, "spec.updateStrategy.type", "NotSupported"],
  ["daemonSet", "spec.template.spec.activeDeadlineSeconds", 5, "spec.template.spec.activeDeadlineSeconds", "Forbidden"],
  ["job", "spec.template.spec.restartPolicy", "Always", "spec.template.spec.restartPolicy", "Required"],
  ["job", "spec.parallelism", -1, "spec.parallelism", "Invalid"],
  ["job", "spec.completionMode", "Random", "spec.completionMode", "NotSupported"],
  ["job", "spec", { ...templates.job.spec, completionMode: "Indexed", parallelism: 2 }, "spec.completions", "Required"],
  ["job", "spec.backoffLimit", -1, "spec.backoffLimit", "Invalid"],
  ["cronJob", "spec.schedule", "every minute", "spec.schedule", "Invalid"],
  ["cronJob", "spec.schedule", "", "spec.schedule", "Required"],
  ["cronJob", "spec.timeZone", "Mars/Olympus", "spec.timeZone", "Invalid"],
  ["cronJob", "spec.concurrencyPolicy", "Perhaps", "spec.concurrencyPolicy", "NotSupported"],
  ["cronJob", "metadata.name", "x".repeat(53), "metadata.name", "Invalid"],
  // Networking
  ["ingress", "spec", {}, "spec", "Invalid"],
  ["ingress", "spec.rules[0].host", "127.0.0.1", "spec.rules[0].host", "Invalid"],
  ["ingress", "spec.rules[0].host", "*.*.example", "spec.rules[0].host", "Invalid"],
  ["ingress", "spec.rules[0].http.paths[0].path", "no-slash", "spec.rules[0].http.paths[0].path", "Invalid"],
  ["ingress", "spec.rules[0].http.paths[0].pathType", undefined, "spec.rules[0].http.paths[0].pathType", "Required"],
  ["ingress", "spec.rules[0].http.paths[0].backend", {}, "spec.rules[0].http.paths[0].backend", "Invalid"],
  [
    "ingress",
    "spec.rules[0].http.paths[0].backend.service.port",
    {},
    "spec.rules[0].http.paths[0].backend",
    "Required",
  ],
  [
    "networkPolicy",
    "spec.ingress[0].from[0].ipBlock.cidr",
    "10.0.0.0",
    "spec.ingress[0].from[0].ipBlock.cidr",
    "Invalid",
  ],
  ["networkPolicy", "spec.ingress[0].from[0]", {}, "spec.ingress[0].from[0]", "Required"],
  ["networkPolicy", "spec.ingress[0].ports[0].port", 0, "spec.ingress[0].ports[0].port", "Invalid"],
  ["networkPolicy", "spec.policyTypes", ["Sideways"], "spec.policyTypes[0]", "NotSupported"],
  ["endpointSlice", "addressType", undefined, "addressType", "Required"],
  ["endpointSlice", "endpoints[0].addresses", ["nowhere"], "endpoints[0].addresses[0]", "Invalid"],
  ["endpointSlice", "ports[0].protocol", "HTTP", "ports[0].protocol", "NotSupported"],
  // Policy, scaling, rights
  ["autoscaler", "spec.maxReplicas", 0, "spec.maxReplicas", "Invalid"],
  ["autoscaler", "spec.minReplicas", 5, "spec.maxReplicas", "Invalid"],
  ["autoscaler", "spec.scaleTargetRef.name", "", "spec.scaleTargetRef.name", "Required"],
  ["budget", "spec.maxUnavailable", 1, "spec", "Invalid"],
  ["budget", "spec.minAvailable", "120%", "spec.minAvailable", "Invalid"],
  ["budget", "spec.minAvailable", -1, "spec.minAvailable", "Invalid"],
  ["role", "rules[0].verbs", [], "rules[0].verbs", "Required"],
  ["role", "rules[0].apiGroups", [], "rules[0].apiGroups", "Required"],
  ["role", "rules[0]", { nonResourceURLs: ["/x"], verbs: ["get"] }, "rules[0].nonResourceURLs", "Invalid"],
  ["roleBinding", "roleRef.kind", "Group", "roleRef.kind", "NotSupported"],
  ["roleBinding", "roleRef.name", "", "roleRef.name", "Required"],
  ["roleBinding", "subjects[0].kind", "Robot", "subjects[0].kind", "NotSupported"],
  ["priorityClass", "value", 2000000000, "value", "Forbidden"],
  ["priorityClass", "metadata.name", "system-mine", "metadata.name", "Forbidden"],
  ["lease", "spec.leaseDurationSeconds", 0, "spec.leaseDurationSeconds", "Invalid"],
  // Definitions of custom resources
  ["definition", "metadata.name", "other.example.com", "metadata.name", "Invalid"],
  ["definition", "spec.scope", "Galaxy", "spec.scope", "NotSupported"],
  ["definition", "spec.versions[0].storage", false, "spec.versions", "Invalid"],
  ["definition", "spec.versions[0].schema", undefined, "spec.versions[0].schema.openAPIV3Schema", "Required"],
  ["definition", "spec.names.kind", "", "spec.names.kind", "Required"],
];

/** Objects that exist before the rows run: name → template and the changes in it. */
export const existing: readonly (readonly [TemplateName, string, ...(readonly [string, unknown])[]])[] = [
  ["configMap", "settings"],
  ["configMap", "frozen", ["immutable", true]],
  ["secret", "key"],
  ["pod", "runs"],
  ["service", "web"],
  ["deployment", "web"],
  ["statefulSet", "db"],
  ["daemonSet", "agent"],
  ["job", "once"],
  ["claim", "disk"],
  ["volume", "disk"],
  ["roleBinding", "reads"],
  ["storageClass", "slow"],
  ["priorityClass", "high"],
  ["endpointSlice", "web-1"],
];

/** Updates of existing objects that validation refuses: template, name, field, value, complaint. */
export const invalidUpdates: readonly (readonly [TemplateName, string, string, unknown, string, Fault])[] = [
  ["configMap", "frozen", "data", { a: "c" }, "data", "Forbidden"],
  ["configMap", "frozen", "immutable", false, "immutable", "Forbidden"],
  ["secret", "key", "type", "example.com/other", "type", "Invalid"],
  ["configMap", "settings", "metadata.uid", "11111111-1111-1111-1111-111111111111", "metadata.uid", "Invalid"],
  ["pod", "runs", "spec.containers[0].env", [], "spec", "Forbidden"],
  ["pod", "runs", "spec.nodeSelector", { a: "b" }, "spec", "Forbidden"],
  ["pod", "runs", "spec.containers", [], "spec.containers", "Required"],
  ["pod", "runs", "spec.containers[0].image", "", "spec.containers[0].image", "Required"],
  ["service", "web", "spec.clusterIP", "10.96.0.77", "spec.clusterIPs[0]", "Invalid"],
  ["deployment", "web", "spec.selector.matchLabels", { app: "web", tier: "x" }, "spec.selector", "Invalid"],
  ["statefulSet", "db", "spec.serviceName", "other", "spec", "Forbidden"],
  ["statefulSet", "db", "spec.selector.matchLabels.more", "x", "spec", "Forbidden"],
  ["daemonSet", "agent", "spec.selector.matchLabels.more", "x", "spec.selector", "Invalid"],
  ["job", "once", "spec.template.spec.containers[0].image", "other", "spec.template", "Invalid"],
  ["job", "once", "spec.completions", 7, "spec.completions", "Invalid"],
  ["claim", "disk", "spec.accessModes", ["ReadOnlyMany"], "spec", "Forbidden"],
  ["volume", "disk", "spec.hostPath.path", "/other", "spec.persistentvolumesource", "Forbidden"],
  ["roleBinding", "reads", "roleRef.name", "other", "roleRef", "Invalid"],
  ["storageClass", "slow", "provisioner", "example.com/other", "provisioner", "Forbidden"],
  ["priorityClass", "high", "value", 11, "value", "Forbidden"],
  ["endpointSlice", "web-1", "addressType", "IPv6", "addressType", "Invalid"],
];

/** Any other request: method, target, expected code, reason and message; headers and body in the options. */
export interface RawRow {
  readonly what: string;
  readonly method: string;
  readonly target: string;
  readonly code: number;
  readonly reason: StatusReason;
  readonly message?: RegExp;
  readonly body?: string | object;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose client certificate to use: the administrator's unless said otherwise. */
  readonly client?: "none" | "stranger" | "nobody";
}

const maps = collections.configMap;
const pods = collections.pod;
const { configMap, pod, deployment } = templates;
const yaml = "application/yaml";
const merge = "application/merge-patch+json";
const jsonPatch = "application/json-patch+json";
const strategic = "application/strategic-merge-patch+json";
const apply = "application/apply-patch+yaml";

const post = (
  what: string,
  target: string,
  body: string | object,
  rest: Omit<RawRow, "what" | "method" | "target" | "body">,
): RawRow => ({
  what,
  method: "POST",
  target,
  body,
  ...rest,
});
const get = (what: string, target: string, code: number, reason: StatusReason, rest: Partial<RawRow> = {}): RawRow => ({
  what,
  method: "GET",
  target,
  code,
  reason,
  ...rest,
});
const patch = (
  what: string,
  type: string,
  body: string | object,
  code: number,
  reason: StatusReason,
  message?: RegExp,
): RawRow => ({
  what,
  method: "PATCH",
  target: type === apply ? `${maps}/settings?fieldManager=me&fieldValidation=Strict` : `${maps}/settings`,
  type,
  body,
  code,
  reason,
  ...(message ? { message } : {}),
});
const bad = (message?: RegExp) => ({ code: 400, reason: "BadRequest" as const, ...(message ? { message } : {}) });

export const rawRows: readonly RawRow[] = [
  // Bodies that are no objects
  post("truncated JSON", maps, '{"kind":"ConfigMap",', bad()),
  post("no body", maps, "", bad()),
  post("a JSON array", maps, "[]", bad()),
  post("a JSON string", maps, '"x"', bad()),
  post("null", maps, "null", bad()),
  post("binary noise", maps, "\u0000\u0001\u0002", bad()),
  post("malformed YAML", maps, "kind: [ConfigMap\nmetadata: {", { ...bad(), type: yaml }),
  post("YAML with tabs", maps, "kind: ConfigMap\nmetadata:\n\tname: a", { ...bad(), type: yaml }),
  post("a YAML scalar", maps, "just text", { ...bad(), type: yaml }),
  post("very deep JSON", maps, "[".repeat(100_000), bad()),
  post("YAML aliases that explode", maps, yamlBomb(), { ...bad(), type: yaml }),
  post("protobuf without its magic", maps, "k8x", { ...bad(), type: "application/vnd.kubernetes.protobuf" }),
  post("truncated protobuf", maps, "k8s\u0000\n\u0010", { ...bad(), type: "application/vnd.kubernetes.protobuf" }),
  post("a form", maps, "a=b", { code: 415, reason: "UnsupportedMediaType", type: "application/x-www-form-urlencoded" }),
  // Bodies of the wrong kind
  post("another kind", maps, pod, bad()),
  post("another version", maps, { ...configMap, apiVersion: "v7" }, bad()),
  post("an unknown kind", maps, { ...configMap, kind: "Boat" }, bad()),
  post("no kind", maps, { metadata: { name: "a" }, kind: 7 }, bad()),
  post("another namespace", maps, change(configMap, "metadata.namespace", "other"), bad(/namespace/)),
  // Types
  post("a number for a string", maps, change(configMap, "data.a", 7), bad(/data/)),
  post("a list for a map", maps, change(configMap, "data", ["a"]), bad(/data/)),
  post("a string for metadata", maps, { ...configMap, metadata: "x" }, bad(/metadata/)),
  post(
    "a string for an integer",
    collections.deployment,
    change(deployment, "spec.replicas", "three"),
    bad(/replicas/),
  ),
  post("a fraction for an integer", collections.deployment, change(deployment, "spec.replicas", 1.5), bad(/replicas/)),
  post(
    "an integer out of range",
    collections.deployment,
    change(deployment, "spec.replicas", 2 ** 40),
    bad(/replicas/),
  ),
  post("a string for a boolean", maps, change(configMap, "immutable", "yes"), bad(/immutable/)),
  post("an object for a list", pods, change(pod, "spec.containers", {}), bad(/containers/)),
  post("no base64", collections.secret, change(templates.secret, "data.a", "%%%"), bad(/data|base64/)),
  post("no quantity", pods, change(pod, "spec.containers[0].resources.requests.cpu", "lots"), bad(/quantit/)),
  post(
    "a quantity with two suffixes",
    pods,
    change(pod, "spec.containers[0].resources.requests.cpu", "1GiB"),
    bad(/quantit/),
  ),
  post(
    "no time",
    collections.lease,
    change(templates.lease, "spec.renewTime", "yesterday"),
    bad(/renewTime|yesterday/),
  ),
  post("a boolean for a port", collections.service, change(templates.service, "spec.ports[0].targetPort", true), bad()),
  // Unknown fields
  post(
    "an unknown field, strictly",
    `${maps}?fieldValidation=Strict`,
    { ...configMap, colour: "red" },
    bad(/strict decoding error: unknown field "colour"/),
  ),
  post(
    "an unknown deep field, strictly",
    `${pods}?fieldValidation=Strict`,
    change(pod, "spec.containers[0].imagee", "x"),
    bad(/unknown field "spec.containers\[0\].imagee"/),
  ),
  post(
    "a field twice, strictly",
    `${maps}?fieldValidation=Strict`,
    '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"a":"1","a":"2"}}',
    bad(/duplicate field "data.a"/),
  ),
  post(
    "a YAML key twice, strictly",
    `${maps}?fieldValidation=Strict`,
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  a: '1'\n  a: '2'\n",
    { ...bad(/already set|duplicate/), type: yaml },
  ),
  post("a validation level that does not exist", `${maps}?fieldValidation=Severe`, configMap, {
    code: 422,
    reason: "Invalid",
    message: /fieldValidation/,
  }),
  // Sizes
  post("four megabytes", maps, change(configMap, "data.a", "x".repeat(4 * 1024 * 1024)), {
    code: 413,
    reason: "RequestEntityTooLarge",
  }),
  // Paths
  get("an unknown resource", "/api/v1/namespaces/default/boats", 404, "NotFound"),
  get("an unknown subresource", `${pods}/runs/engine`, 404, "NotFound"),
  get("an unknown object", `${maps}/nothing`, 404, "NotFound", { message: /configmaps "nothing" not found/ }),
  get("a name of the wrong form", `${maps}/NOTHING`, 404, "NotFound"),
  get("a malformed escape", `${maps}/%zz`, 400, "BadRequest"),
  {
    what: "a create without a namespace",
    method: "POST",
    target: "/api/v1/configmaps",
    body: configMap,
    code: 405,
    reason: "MethodNotAllowed",
  },
  {
    what: "a create on an object",
    method: "POST",
    target: `${maps}/settings`,
    body: configMap,
    code: 405,
    reason: "MethodNotAllowed",
  },
  {
    what: "an update of a collection",
    method: "PUT",
    target: maps,
    body: configMap,
    code: 405,
    reason: "MethodNotAllowed",
  },
  { what: "an unknown method", method: "TRACE", target: `${maps}/settings`, code: 405, reason: "MethodNotAllowed" },
  { what: "a delete of nothing", method: "DELETE", target: `${maps}/nothing`, code: 404, reason: "NotFound" },
  {
    what: "a create in a namespace that does not exist",
    method: "POST",
    target: "/api/v1/namespaces/nowhere/configmaps",
    body: configMap,
    code: 404,
    reason: "NotFound",
    message: /namespaces "nowhere" not found/,
  },
  {
    what: "a forbidden namespace to delete",
    method: "DELETE",
    target: "/api/v1/namespaces/default",
    code: 403,
    reason: "Forbidden",
  },
  // Queries
  get("a label selector that does not parse", `${pods}?labelSelector=a%20in%20(`, 400, "BadRequest"),
  get("a label selector with a bad value", `${pods}?labelSelector=a%3Db%20c`, 400, "BadRequest"),
  get("a field selector on another field", `${pods}?fieldSelector=spec.containers%3Dx`, 400, "BadRequest", {
    message: /field label not supported/,
  }),
  get("a field selector that does not parse", `${pods}?fieldSelector=metadata.name`, 400, "BadRequest"),
  get("a limit that is no number", `${pods}?limit=many`, 400, "BadRequest"),
  get("a resourceVersion that is no number", `${pods}?resourceVersion=new`, 400, "BadRequest"),
  get("a resourceVersion of the future", `${pods}?resourceVersion=99999999`, 504, "Timeout", {
    message: /Too large resource version/,
  }),
  get("a match without a version", `${pods}?resourceVersionMatch=Exact`, 422, "Invalid", {
    message: /resourceVersionMatch/,
  }),
  get("a match that does not exist", `${pods}?resourceVersion=1&resourceVersionMatch=Nearly`, 422, "Invalid", {
    message: /resourceVersionMatch/,
  }),
  get("a continue token that is none", `${pods}?continue=abc`, 400, "BadRequest", { message: /continue/ }),
  get("a watch with a bad selector", `${pods}?watch=true&labelSelector=!!`, 400, "BadRequest"),
  get("initial events without a match", `${pods}?watch=true&sendInitialEvents=true`, 422, "Invalid", {
    message: /resourceVersionMatch/,
  }),
  get("a log of a container that is not there", `${pods}/runs/log?container=none`, 400, "BadRequest", {
    message: /container none is not valid/,
  }),
  get("an encoding that does not exist", `${maps}/settings`, 406, "NotAcceptable", {
    headers: { accept: "image/png" },
  }),
  post("a dry run of half", `${maps}?dryRun=Half`, configMap, { code: 422, reason: "Invalid", message: /dryRun/ }),
  post("a field manager that is too long", `${maps}?fieldManager=${"m".repeat(129)}`, configMap, {
    code: 422,
    reason: "Invalid",
    message: /fieldManager/,
  }),
  {
    what: "a grace period in words",
    method: "DELETE",
    target: `${maps}/settings?gracePeriodSeconds=soon`,
    code: 400,
    reason: "BadRequest",
  },
  {
    what: "a propagation that does not exist",
    method: "DELETE",
    target: `${maps}/settings?propagationPolicy=Sideways`,
    code: 422,
    reason: "Invalid",
    message: /propagationPolicy/,
  },
  {
    what: "a delete of another object by uid",
    method: "DELETE",
    target: `${maps}/settings`,
    body: { preconditions: { uid: "other" } },
    code: 409,
    reason: "Conflict",
    message: /[Pp]recondition/,
  },
  {
    what: "a delete of another version",
    method: "DELETE",
    target: `${maps}/settings`,
    body: { preconditions: { resourceVersion: "1" } },
    code: 409,
    reason: "Conflict",
  },
  // Conflicts
  post("a name that is taken", maps, change(configMap, "metadata.name", "settings"), {
    code: 409,
    reason: "AlreadyExists",
    message: /configmaps "settings" already exists/,
  }),
  post(
    "a create with a resourceVersion",
    maps,
    change(configMap, "metadata.resourceVersion", "5"),
    bad(/resourceVersion/),
  ),
  {
    what: "an update of an old version",
    method: "PUT",
    target: `${maps}/settings`,
    body: { ...configMap, metadata: { name: "settings", resourceVersion: "1" } },
    code: 409,
    reason: "Conflict",
    message: /the object has been modified/,
  },
  {
    what: "an update under another name",
    method: "PUT",
    target: `${maps}/settings`,
    body: configMap,
    code: 400,
    reason: "BadRequest",
    message: /name/,
  },
  {
    what: "an update of nothing",
    method: "PUT",
    target: `${maps}/nothing`,
    body: change(configMap, "metadata.name", "nothing"),
    code: 404,
    reason: "NotFound",
  },
  {
    what: "an update with a version that is none",
    method: "PUT",
    target: `${maps}/settings`,
    body: { ...configMap, metadata: { name: "settings", resourceVersion: "new" } },
    code: 400,
    reason: "BadRequest",
    message: /resource version/,
  },
  {
    what: "a patch of nothing",
    method: "PATCH",
    target: `${maps}/nothing`,
    type: merge,
    body: {},
    code: 404,
    reason: "NotFound",
  },
  {
    what: "a patch of an old version",
    method: "PATCH",
    target: `${maps}/settings`,
    type: merge,
    body: { metadata: { resourceVersion: "1" }, data: { a: "z" } },
    code: 409,
    reason: "Conflict",
  },
  // Patches
  patch("a patch without a type", "text/plain", "{}", 415, "UnsupportedMediaType"),
  patch("a merge patch that does not parse", merge, "{", 400, "BadRequest"),
  patch("a merge patch that is a list", merge, "[]", 400, "BadRequest"),
  patch("a merge patch with a wrong type", merge, { data: "x" }, 400, "BadRequest"),
  patch("a merge patch that renames", merge, { metadata: { name: "other" } }, 400, "BadRequest", /name/),
  patch(
    "a merge patch of a label that is none",
    merge,
    { metadata: { labels: { "a b": "c" } } },
    422,
    "Invalid",
    /metadata.labels/,
  ),
  patch("a JSON patch that is an object", jsonPatch, "{}", 400, "BadRequest"),
  patch("a JSON patch with an unknown operation", jsonPatch, [{ op: "bend", path: "/data" }], 422, "Invalid"),
  patch("a JSON patch of a path that is not there", jsonPatch, [{ op: "remove", path: "/data/none" }], 422, "Invalid"),
  patch("a JSON patch whose test fails", jsonPatch, [{ op: "test", path: "/data/a", value: "z" }], 422, "Invalid"),
  patch("a JSON patch with a wrong type", jsonPatch, [{ op: "add", path: "/data", value: 7 }], 400, "BadRequest"),
  patch(
    "a JSON patch that is too long",
    jsonPatch,
    Array.from({ length: 10_001 }, () => ({ op: "test", path: "/kind", value: "ConfigMap" })),
    413,
    "RequestEntityTooLarge",
  ),
  patch("a strategic patch with an unknown directive", strategic, { $patch: "explode" }, 400, "BadRequest"),
  patch("an apply without a kind", apply, "metadata: {name: settings}", 400, "BadRequest"),
  patch(
    "an apply of another name",
    apply,
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}",
    400,
    "BadRequest",
  ),
  patch(
    "an apply with managed fields",
    apply,
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, managedFields: [{manager: a, operation: Apply, apiVersion: v1}]}",
    400,
    "BadRequest",
    /managedFields/,
  ),
  patch(
    "an apply that takes what others own",
    apply,
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: z}",
    409,
    "Conflict",
    /conflict/,
  ),
  patch(
    "an apply with an unknown field",
    apply,
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ncolour: red",
    400,
    "BadRequest",
  ),
  {
    what: "an apply without a manager",
    method: "PATCH",
    target: `${maps}/settings`,
    type: apply,
    body: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}",
    code: 422,
    reason: "Invalid",
    message: /fieldManager/,
  },
  {
    what: "a strategic list without its merge key",
    method: "PATCH",
    target: `${collections.deployment}/web`,
    type: strategic,
    body: { spec: { template: { spec: { containers: [{ image: "x" }] } } } },
    code: 400,
    reason: "BadRequest",
    message: /merge key|name/,
  },
  {
    what: "a force that is no apply",
    method: "PATCH",
    target: `${maps}/settings?force=true`,
    type: merge,
    body: {},
    code: 422,
    reason: "Invalid",
    message: /force/,
  },
  // Subresources
  {
    what: "a scale below nothing",
    method: "PATCH",
    target: `${collections.deployment}/web/scale`,
    type: merge,
    body: { spec: { replicas: -3 } },
    code: 422,
    reason: "Invalid",
    message: /spec.replicas/,
  },
  post(
    "a binding to nowhere",
    `${pods}/runs/binding`,
    { apiVersion: "v1", kind: "Binding", metadata: { name: "runs" }, target: {} },
    { code: 422, reason: "Invalid", message: /target.name/ },
  ),
  post(
    "an eviction of nothing",
    `${pods}/nothing/eviction`,
    { apiVersion: "policy/v1", kind: "Eviction", metadata: { name: "nothing" } },
    { code: 404, reason: "NotFound" },
  ),
  post(
    "a token for nobody",
    "/api/v1/namespaces/default/serviceaccounts/nobody/token",
    { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: {} },
    { code: 404, reason: "NotFound" },
  ),
  post(
    "a token for a minute",
    "/api/v1/namespaces/default/serviceaccounts/robot/token",
    { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec: { expirationSeconds: 60 } },
    { code: 422, reason: "Invalid", message: /expirationSeconds/ },
  ),
  post("an exec on no node", `${pods}/runs/exec?command=ls`, "", { code: 400, reason: "BadRequest" }),
  // Who asks
  get("no credentials", maps, 401, "Unauthorized", { client: "none" }),
  get("a token that is none", maps, 401, "Unauthorized", {
    client: "none",
    headers: { authorization: "Bearer nonsense" },
  }),
  get("a token signed by another", maps, 401, "Unauthorized", {
    client: "none",
    headers: { authorization: `Bearer ${foreignToken()}` },
  }),
  get("a password", maps, 401, "Unauthorized", {
    client: "none",
    headers: { authorization: "Basic YWRtaW46YWRtaW4=" },
  }),
  get("a certificate of another authority", maps, 401, "Unauthorized", { client: "stranger" }),
  get("a user without rights", maps, 403, "Forbidden", {
    client: "nobody",
    message: /User "nobody" cannot list resource "configmaps" in API group "" in the namespace "default"/,
  }),
  {
    what: "a create without the right",
    method: "POST",
    target: maps,
    body: configMap,
    client: "nobody",
    code: 403,
    reason: "Forbidden",
  },
  {
    what: "a delete without the right",
    method: "DELETE",
    target: `${maps}/settings`,
    client: "nobody",
    code: 403,
    reason: "Forbidden",
  },
  get("a path without the right", "/metrics", 403, "Forbidden", { client: "nobody" }),
  get("acting as another without the right", maps, 403, "Forbidden", {
    client: "nobody",
    headers: { "impersonate-user": "kubernetes-admin" },
  }),
  get("acting as a user without rights", maps, 403, "Forbidden", { headers: { "impersonate-user": "eve" } }),
  post("a pod whose account does not exist", pods, change(pod, "spec.serviceAccountName", "ghost"), {
    code: 403,
    reason: "Forbidden",
    message: /serviceaccount "ghost" not found/,
  }),
  post("a pod of a class that does not exist", pods, change(pod, "spec.priorityClassName", "none"), {
    code: 403,
    reason: "Forbidden",
    message: /no PriorityClass with name none/,
  }),
];

function yamlBomb(): string {
  const lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 12; i++) lines.push(`a${i}: &a${i} [${Array.from({ length: 9 }, () => `*a${i - 1}`).join(",")}]`);
  return lines.join("\n");
}

function foreignToken(): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { iss: "https://kubernetes.default.svc.cluster.local", sub: "system:serviceaccount:default:default" };
  return `${part({ alg: "none" })}.${part(claims)}.c2lnbmF0dXJl`;
}
