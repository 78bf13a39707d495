// Requests and what Kubernetes 1.36 answers to them, field by field, with what differs between clusters masked.

/** One request after the other on one server; later rows see what earlier ones made. */
export interface RecordedRow {
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  /** The whole answer: uids, times, versions and allocated addresses masked, managed fields left out. */
  readonly answer: unknown;
}

const core = "/api/v1/namespaces/default";
const apps = "/apis/apps/v1/namespaces/default";
const batch = "/apis/batch/v1/namespaces/default";
const meta = (name: string, more: object = {}) => ({
  name,
  namespace: "default",
  uid: "<uid>",
  resourceVersion: "<version>",
  creationTimestamp: "<time>",
  ...more,
});
const failure = (code: number, reason: string, message: string, details?: object) => ({
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Failure",
  message,
  reason,
  ...(details ? { details } : {}),
  code,
});

const container = { name: "web", image: "web:1" };
const containerDefaults = {
  ...container,
  resources: {},
  terminationMessagePath: "/dev/termination-log",
  terminationMessagePolicy: "File",
  imagePullPolicy: "IfNotPresent",
};
const podDefaults = {
  restartPolicy: "Always",
  terminationGracePeriodSeconds: 30,
  dnsPolicy: "ClusterFirst",
  securityContext: {},
  schedulerName: "default-scheduler",
};
const selector = { matchLabels: { app: "web" } };
const template = { metadata: { labels: { app: "web" } }, spec: { containers: [container] } };
const templateDefaults = { ...template, spec: { ...podDefaults, containers: [containerDefaults] } };
const jobTemplate = { spec: { restartPolicy: "Never", containers: [container] } };
const jobPodDefaults = { ...podDefaults, restartPolicy: "Never", containers: [containerDefaults] };
const jobLabels = {
  "batch.kubernetes.io/controller-uid": "<uid>",
  "batch.kubernetes.io/job-name": "once",
  "controller-uid": "<uid>",
  "job-name": "once",
};
const probe = { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 };
const notReady = (key: string) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });

const defaulted: RecordedRow[] = [
  {
    what: "a Deployment gets a rolling update",
    method: "POST",
    path: `${apps}/deployments`,
    body: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" }, spec: { selector, template } },
    status: 201,
    answer: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: meta("web", { generation: 1 }),
      spec: {
        replicas: 1,
        selector,
        template: templateDefaults,
        strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
        revisionHistoryLimit: 10,
        progressDeadlineSeconds: 600,
      },
      status: {},
    },
  },
  {
    what: "a StatefulSet gets ordered pods and claims of their own kind",
    method: "POST",
    path: `${apps}/statefulsets`,
    body: {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "db" },
      spec: {
        selector,
        serviceName: "db",
        template,
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1024Mi" } } },
          },
        ],
      },
    },
    status: 201,
    answer: {
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: meta("db", { generation: 1 }),
      spec: {
        replicas: 1,
        selector,
        template: templateDefaults,
        volumeClaimTemplates: [
          {
            kind: "PersistentVolumeClaim",
            apiVersion: "v1",
            metadata: { name: "data" },
            spec: {
              accessModes: ["ReadWriteOnce"],
              resources: { requests: { storage: "1Gi" } },
              volumeMode: "Filesystem",
            },
            status: { phase: "Pending" },
          },
        ],
        serviceName: "db",
        podManagementPolicy: "OrderedReady",
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
        revisionHistoryLimit: 10,
        persistentVolumeClaimRetentionPolicy: { whenDeleted: "Retain", whenScaled: "Retain" },
      },
      status: { replicas: 0, availableReplicas: 0 },
    },
  },
  {
    what: "a DaemonSet is told its template's generation",
    method: "POST",
    path: `${apps}/daemonsets`,
    body: { apiVersion: "apps/v1", kind: "DaemonSet", metadata: { name: "agent" }, spec: { selector, template } },
    status: 201,
    answer: {
      apiVersion: "apps/v1",
      kind: "DaemonSet",
      metadata: meta("agent", { generation: 1, annotations: { "deprecated.daemonset.template.generation": "1" } }),
      spec: {
        selector,
        template: templateDefaults,
        updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
        revisionHistoryLimit: 10,
      },
      status: { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 },
    },
  },
  {
    what: "a Job gets a selector and labels of its own",
    method: "POST",
    path: `${batch}/jobs`,
    body: { apiVersion: "batch/v1", kind: "Job", metadata: { name: "once" }, spec: { template: jobTemplate } },
    status: 201,
    answer: {
      apiVersion: "batch/v1",
      kind: "Job",
      metadata: meta("once", { generation: 1, labels: jobLabels }),
      spec: {
        parallelism: 1,
        completions: 1,
        backoffLimit: 6,
        selector: { matchLabels: { "batch.kubernetes.io/controller-uid": "<uid>" } },
        manualSelector: false,
        template: { metadata: { labels: jobLabels }, spec: jobPodDefaults },
        completionMode: "NonIndexed",
        suspend: false,
        podReplacementPolicy: "TerminatingOrFailed",
      },
      status: {},
    },
  },
  {
    what: "a CronJob keeps three successes and one failure",
    method: "POST",
    path: `${batch}/cronjobs`,
    body: {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: { name: "often" },
      spec: { schedule: "*/5 * * * *", jobTemplate: { spec: { template: jobTemplate } } },
    },
    status: 201,
    answer: {
      apiVersion: "batch/v1",
      kind: "CronJob",
      metadata: meta("often", { generation: 1 }),
      spec: {
        schedule: "*/5 * * * *",
        concurrencyPolicy: "Allow",
        suspend: false,
        jobTemplate: { spec: { template: { spec: jobPodDefaults } } },
        successfulJobsHistoryLimit: 3,
        failedJobsHistoryLimit: 1,
      },
      status: {},
    },
  },
  {
    what: "a Service gets an address and a target port",
    method: "POST",
    path: `${core}/services`,
    body: {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "web" },
      spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
    },
    status: 201,
    answer: {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta("web"),
      spec: {
        ports: [{ protocol: "TCP", port: 80, targetPort: 80 }],
        selector: { app: "web" },
        clusterIP: "<address>",
        clusterIPs: ["<address>"],
        type: "ClusterIP",
        sessionAffinity: "None",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        internalTrafficPolicy: "Cluster",
      },
      status: { loadBalancer: {} },
    },
  },
  {
    what: "a load-balanced Service gets node ports too",
    method: "POST",
    path: `${core}/services`,
    body: {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "public" },
      spec: { type: "LoadBalancer", sessionAffinity: "ClientIP", ports: [{ port: 80, targetPort: "http" }] },
    },
    status: 201,
    answer: {
      apiVersion: "v1",
      kind: "Service",
      metadata: meta("public"),
      spec: {
        ports: [{ protocol: "TCP", port: 80, targetPort: "http", nodePort: "<port>" }],
        clusterIP: "<address>",
        clusterIPs: ["<address>"],
        type: "LoadBalancer",
        sessionAffinity: "ClientIP",
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } },
        externalTrafficPolicy: "Cluster",
        ipFamilies: ["IPv4"],
        ipFamilyPolicy: "SingleStack",
        allocateLoadBalancerNodePorts: true,
        internalTrafficPolicy: "Cluster",
      },
      status: { loadBalancer: {} },
    },
  },
  {
    what: "a Pod gets probes, requests, volumes and admission's tolerations",
    method: "POST",
    path: `${core}/pods`,
    body: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "p" },
      spec: {
        automountServiceAccountToken: false,
        containers: [
          {
            name: "web",
            image: "web",
            ports: [{ containerPort: 80 }],
            livenessProbe: { httpGet: { port: 80 } },
            resources: { limits: { cpu: "0.5" }, requests: { memory: "1024Mi" } },
            env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          },
        ],
        volumes: [{ name: "c", configMap: { name: "c" } }, { name: "h", hostPath: { path: "/x" } }, { name: "e" }],
      },
    },
    status: 201,
    answer: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: meta("p", { generation: 1 }),
      spec: {
        ...podDefaults,
        automountServiceAccountToken: false,
        containers: [
          {
            ...containerDefaults,
            image: "web",
            imagePullPolicy: "Always",
            ports: [{ containerPort: 80, protocol: "TCP" }],
            livenessProbe: { httpGet: { path: "/", port: 80, scheme: "HTTP" }, ...probe },
            resources: { limits: { cpu: "500m" }, requests: { cpu: "500m", memory: "1Gi" } },
            env: [{ name: "N", valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: "metadata.name" } } }],
          },
        ],
        volumes: [
          { name: "c", configMap: { name: "c", defaultMode: 420 } },
          { name: "h", hostPath: { path: "/x", type: "" } },
          { name: "e", emptyDir: {} },
        ],
        serviceAccountName: "default",
        serviceAccount: "default",
        tolerations: [notReady("node.kubernetes.io/not-ready"), notReady("node.kubernetes.io/unreachable")],
        priority: 0,
        enableServiceLinks: true,
        preemptionPolicy: "PreemptLowerPriority",
      },
      status: { phase: "Pending", qosClass: "Burstable" },
    },
  },
];

const nameRule =
  `Invalid value: "P_": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ` +
  `and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is ` +
  `'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`;

const mismatch = 'Invalid value: {"app":"x"}: `selector` does not match template `labels`';

const refused: RecordedRow[] = [
  {
    what: "an object that is not there, in the core group",
    method: "GET",
    path: `${core}/pods/nope`,
    status: 404,
    answer: failure(404, "NotFound", 'pods "nope" not found', { name: "nope", kind: "pods" }),
  },
  {
    what: "an object that is not there, in a named group",
    method: "DELETE",
    path: `${apps}/deployments/nope`,
    status: 404,
    answer: failure(404, "NotFound", 'deployments.apps "nope" not found', {
      name: "nope",
      group: "apps",
      kind: "deployments",
    }),
  },
  {
    what: "an object that is there already",
    method: "POST",
    path: `${apps}/deployments`,
    body: { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "web" }, spec: { selector, template } },
    status: 409,
    answer: failure(409, "AlreadyExists", 'deployments.apps "web" already exists', {
      name: "web",
      group: "apps",
      kind: "deployments",
    }),
  },
  {
    what: "an update of an old version",
    method: "PUT",
    path: `${apps}/deployments/web`,
    body: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", resourceVersion: "1" },
      spec: { selector, template },
    },
    status: 409,
    answer: failure(
      409,
      "Conflict",
      'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; ' +
        "please apply your changes to the latest version and try again",
      { name: "web", group: "apps", kind: "deployments" },
    ),
  },
  {
    what: "a deletion of another object of the name",
    method: "DELETE",
    path: `${core}/pods/p`,
    body: { preconditions: { uid: "other" } },
    status: 409,
    answer: failure(
      409,
      "Conflict",
      'Operation cannot be fulfilled on Pod "p": the UID in the precondition (other) does not match the UID in record ' +
        "(<uid>). The object might have been deleted and then recreated",
      { name: "p", kind: "Pod" },
    ),
  },
  {
    what: "several invalid fields, with a cause for each",
    method: "POST",
    path: `${core}/pods`,
    body: {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "P_" },
      spec: { containers: [], automountServiceAccountToken: false },
    },
    status: 422,
    answer: failure(
      422,
      "Invalid",
      `Pod "P_" is invalid: [metadata.name: ${nameRule}, spec.containers: Required value]`,
      {
        name: "P_",
        kind: "Pod",
        causes: [
          { reason: "FieldValueInvalid", message: nameRule, field: "metadata.name" },
          { reason: "FieldValueRequired", message: "Required value", field: "spec.containers" },
        ],
      },
    ),
  },
  {
    what: "a single invalid field, without brackets",
    method: "POST",
    path: `${apps}/deployments`,
    body: {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "bad" },
      spec: { selector, template: { ...template, metadata: { labels: { app: "x" } } } },
    },
    status: 422,
    answer: failure(422, "Invalid", `Deployment.apps "bad" is invalid: spec.template.metadata.labels: ${mismatch}`, {
      name: "bad",
      group: "apps",
      kind: "Deployment",
      causes: [{ reason: "FieldValueInvalid", message: mismatch, field: "spec.template.metadata.labels" }],
    }),
  },
  {
    what: "an object without a name",
    method: "POST",
    path: `${core}/configmaps`,
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: {} },
    status: 422,
    answer: failure(
      422,
      "Invalid",
      'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
      {
        kind: "ConfigMap",
        causes: [
          {
            reason: "FieldValueRequired",
            message: "Required value: name or generateName is required",
            field: "metadata.name",
          },
        ],
      },
    ),
  },
  {
    what: "a namespace that is not there",
    method: "POST",
    path: "/api/v1/namespaces/none/configmaps",
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" } },
    status: 404,
    answer: failure(404, "NotFound", 'namespaces "none" not found', { name: "none", kind: "namespaces" }),
  },
  {
    what: "a namespace that is not the path's",
    method: "POST",
    path: `${core}/configmaps`,
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x", namespace: "other" } },
    status: 400,
    answer: failure(
      400,
      "BadRequest",
      "the namespace of the provided object does not match the namespace sent on the request",
    ),
  },
  {
    what: "an unknown field where that is asked to be strict",
    method: "POST",
    path: `${core}/configmaps?fieldValidation=Strict`,
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, datas: {} },
    status: 400,
    answer: failure(
      400,
      "BadRequest",
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "datas"',
    ),
  },
  {
    what: "a value of the wrong type",
    method: "POST",
    path: `${core}/configmaps`,
    body: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "x" }, data: 5 },
    status: 400,
    answer: failure(
      400,
      "BadRequest",
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ' +
        "ConfigMap.data of type map[string]string",
    ),
  },
  {
    what: "a field that cannot be selected by",
    method: "GET",
    path: `${core}/pods?fieldSelector=spec.foo%3Da`,
    status: 400,
    answer: failure(400, "BadRequest", "field label not supported: spec.foo"),
  },
  {
    what: "a label selector that cannot be parsed",
    method: "GET",
    path: `${core}/pods?labelSelector=a%3D%3D%3D`,
    status: 400,
    answer: failure(400, "BadRequest", "unable to parse requirement: found '=', expected: identifier"),
  },
  {
    what: "a propagation policy that there is not",
    method: "DELETE",
    path: `${core}/pods/p?propagationPolicy=Foo`,
    status: 422,
    answer: failure(
      422,
      "Invalid",
      'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Foo": supported values: ' +
        '"Foreground", "Background", "Orphan", "nil"',
      {
        group: "meta.k8s.io",
        kind: "DeleteOptions",
        causes: [
          {
            reason: "FieldValueNotSupported",
            message: 'Unsupported value: "Foo": supported values: "Foreground", "Background", "Orphan", "nil"',
            field: "propagationPolicy",
          },
        ],
      },
    ),
  },
  {
    what: "a patch of an unknown type",
    method: "PATCH",
    path: `${core}/pods/p`,
    body: {},
    headers: { "content-type": "application/x" },
    status: 415,
    answer: failure(
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, " +
        "application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
    ),
  },
];

const tableType = "application/json;as=Table;v=v1;g=meta.k8s.io";

const documents: RecordedRow[] = [
  {
    what: "a list page says how many are left",
    method: "GET",
    path: "/apis/apps/v1/deployments?limit=500&labelSelector=none",
    status: 200,
    answer: { kind: "DeploymentList", apiVersion: "apps/v1", metadata: { resourceVersion: "<version>" }, items: [] },
  },
  {
    what: "an object as its metadata only",
    method: "GET",
    path: `${core}/pods/p`,
    headers: { accept: "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io" },
    status: 200,
    answer: { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: meta("p", { generation: 1 }) },
  },
  {
    what: "rows of a table without objects",
    method: "GET",
    path: `${core}/services/web?includeObject=None`,
    headers: { accept: tableType },
    status: 200,
    answer: {
      kind: "Table",
      apiVersion: "meta.k8s.io/v1",
      metadata: { resourceVersion: "<version>" },
      columnDefinitions: [
        ["Name", "string", "name", 0],
        ["Type", "string", "", 0],
        ["Cluster-IP", "string", "", 0],
        ["External-IP", "string", "", 0],
        ["Port(s)", "string", "", 0],
        ["Age", "string", "", 0],
        ["Selector", "string", "", 1],
      ].map(([name, type, format, priority]) => ({ name, type, format, priority, description: "<text>" })),
      rows: [{ cells: ["web", "ClusterIP", "<address>", "<none>", "80/TCP", "<age>", "app=web"], object: null }],
    },
  },
  {
    what: "the groups of one name",
    method: "GET",
    path: "/apis/autoscaling",
    status: 200,
    answer: {
      kind: "APIGroup",
      apiVersion: "v1",
      name: "autoscaling",
      versions: [
        { groupVersion: "autoscaling/v2", version: "v2" },
        { groupVersion: "autoscaling/v1", version: "v1" },
      ],
      preferredVersion: { groupVersion: "autoscaling/v2", version: "v2" },
    },
  },
  {
    what: "the scale of a Deployment",
    method: "GET",
    path: `${apps}/deployments/web/scale`,
    status: 200,
    answer: {
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: meta("web"),
      spec: { replicas: 1 },
      status: { replicas: 0, selector: "app=web" },
    },
  },
  {
    what: "a deletion that is done at once",
    method: "DELETE",
    path: `${batch}/cronjobs/often`,
    status: 200,
    answer: {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Success",
      details: { name: "often", group: "batch", kind: "cronjobs", uid: "<uid>" },
    },
  },
];

export const recordedRows: readonly RecordedRow[] = [...defaulted, ...refused, ...documents];
