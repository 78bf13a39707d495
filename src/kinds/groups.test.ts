// The smaller kinds as one table: a good object, and what a change to it is complained about.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as kinds from "./index.ts";
import type { AnyKind } from "./registry.ts";
import { cells, changed, changeFaults, faults, made } from "./testing.ts";

type Fault = readonly [at: string, value: unknown, field: string];

interface Row {
  readonly kind: AnyKind;
  readonly good: object;
  readonly name?: string;
  readonly faults: readonly Fault[];
  /** Paths that may not change once the object is there, with a new value. */
  readonly fixed?: readonly (readonly [at: string, value: unknown])[];
}

const csr = Buffer.from("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n").toString(
  "base64",
);
const rule = { apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["deployments"] };
const webhook = {
  name: "check.example.com",
  admissionReviewVersions: ["v1"],
  sideEffects: "None",
  clientConfig: { service: { name: "hook", namespace: "default" } },
  rules: [rule],
};
const webhookFaults: Fault[] = [
  ["webhooks.0.name", "check", "webhooks[0].name"],
  ["webhooks.0.admissionReviewVersions", ["v9"], "webhooks[0].admissionReviewVersions"],
  ["webhooks.0.sideEffects", "Some", "webhooks[0].sideEffects"],
  ["webhooks.0.timeoutSeconds", 31, "webhooks[0].timeoutSeconds"],
  ["webhooks.0.clientConfig", {}, "webhooks[0].clientConfig"],
  ["webhooks.0.clientConfig", { url: "http://x" }, "webhooks[0].clientConfig.url"],
  ["webhooks.0.clientConfig.caBundle", "YQ==", "webhooks[0].clientConfig.caBundle"],
  ["webhooks.0.rules.0.operations", [], "webhooks[0].rules[0].operations"],
  ["webhooks.0.rules.0.apiGroups", ["*", "a"], "webhooks[0].rules[0].apiGroups"],
  ["webhooks.0.rules.0.resources", ["*/*", "pods"], "webhooks[0].rules[0].resources"],
  ["webhooks.0.rules.0.resources", ["pods/*", "pods/log"], "webhooks[0].rules[0].resources[1]"],
  ["webhooks.0.matchConditions", [{ name: "a", expression: "" }], "webhooks[0].matchConditions[0].expression"],
  ["webhooks.1", webhook, "webhooks[1].name"],
];
const policySpec = {
  matchConstraints: { resourceRules: [rule] },
  validations: [{ expression: "true" }],
};
const mutation = { patchType: "JSONPatch", jsonPatch: { expression: '[JSONPatch{op: "remove", path: "/a"}]' } };
const claim = { devices: { requests: [{ name: "gpu", exactly: { deviceClassName: "gpu.example.com" } }] } };
const request = "spec.devices.requests.0";
const requestField = "spec.devices.requests[0]";

const rows: readonly Row[] = [
  {
    kind: kinds.PodDisruptionBudget,
    good: { spec: { minAvailable: 1, selector: {} } },
    faults: [
      ["spec.maxUnavailable", 1, "spec"],
      ["spec.minAvailable", "101%", "spec.minAvailable"],
      ["spec.minAvailable", -1, "spec.minAvailable"],
      ["spec.unhealthyPodEvictionPolicy", "X", "spec.unhealthyPodEvictionPolicy"],
    ],
  },
  {
    kind: kinds.StorageClass,
    good: { provisioner: "example.com/disk" },
    faults: [
      ["provisioner", "", "provisioner"],
      ["reclaimPolicy", "Recycle", "reclaimPolicy"],
      ["volumeBindingMode", "Later", "volumeBindingMode"],
      [
        "allowedTopologies",
        [{ matchLabelExpressions: [{ key: "a", values: [] }] }],
        "allowedTopologies[0].matchLabelExpressions[0].values",
      ],
    ],
    fixed: [
      ["provisioner", "b.com/x"],
      ["parameters", { a: "b" }],
      ["volumeBindingMode", "WaitForFirstConsumer"],
    ],
  },
  {
    kind: kinds.VolumeAttachment,
    good: { spec: { attacher: "csi.example.com", nodeName: "n", source: { persistentVolumeName: "pv" } } },
    faults: [
      ["spec.attacher", "", "spec.attacher"],
      ["spec.nodeName", "", "spec.nodeName"],
      ["spec.source", {}, "spec.source"],
    ],
    fixed: [["spec.nodeName", "m"]],
  },
  {
    kind: kinds.CSIDriver,
    good: { spec: {} },
    name: "csi.example.com",
    faults: [
      ["spec.fsGroupPolicy", "X", "spec.fsGroupPolicy"],
      ["spec.volumeLifecycleModes", ["X"], "spec.volumeLifecycleModes[0]"],
      ["spec.tokenRequests", [{ audience: "a", expirationSeconds: 1 }], "spec.tokenRequests[0].expirationSeconds"],
    ],
    fixed: [["spec.attachRequired", false]],
  },
  {
    kind: kinds.CSINode,
    good: { spec: { drivers: [{ name: "csi.example.com", nodeID: "n" }] } },
    faults: [
      ["spec.drivers.0.nodeID", "", "spec.drivers[0].nodeID"],
      ["spec.drivers.1", { name: "csi.example.com", nodeID: "m" }, "spec.drivers[1].name"],
    ],
    fixed: [["spec.drivers.0.nodeID", "m"]],
  },
  {
    kind: kinds.CSIStorageCapacity,
    good: { storageClassName: "fast", capacity: "1Gi" },
    faults: [
      ["storageClassName", "", "storageClassName"],
      ["capacity", "-1", "capacity"],
    ],
    fixed: [["storageClassName", "slow"]],
  },
  {
    kind: kinds.VolumeAttributesClass,
    good: { driverName: "csi.example.com", parameters: { iops: "1" } },
    faults: [
      ["driverName", "", "driverName"],
      ["parameters", {}, "parameters"],
    ],
    fixed: [["parameters", { iops: "2" }]],
  },
  {
    kind: kinds.PriorityClass,
    good: { value: 10 },
    faults: [
      ["value", 1_000_000_001, "value"],
      ["preemptionPolicy", "Maybe", "preemptionPolicy"],
    ],
    fixed: [["value", 11]],
  },
  {
    kind: kinds.Lease,
    good: { spec: { leaseDurationSeconds: 15 } },
    faults: [
      ["spec.leaseDurationSeconds", 0, "spec.leaseDurationSeconds"],
      ["spec.leaseTransitions", -1, "spec.leaseTransitions"],
    ],
  },
  {
    kind: kinds.EndpointSlice,
    good: { addressType: "IPv4", endpoints: [{ addresses: ["10.0.0.1"] }], ports: [{ port: 80 }] },
    faults: [
      ["addressType", "IPv5", "addressType"],
      ["endpoints.0.addresses", [], "endpoints[0].addresses"],
      ["endpoints.0.addresses", ["::1"], "endpoints[0].addresses[0]"],
      ["endpoints.0.addresses", ["10.0.0.1", "127.0.0.1"], "endpoints[0].addresses[1]"],
      ["endpoints.0.addresses", ["169.254.169.254"], "endpoints[0].addresses[0]"],
      ["endpoints.0.hostname", "A", "endpoints[0].hostname"],
      ["ports.0.protocol", "ICMP", "ports[0].protocol"],
      ["ports.1", { port: 81 }, "ports[1].name"],
    ],
    fixed: [["addressType", "FQDN"]],
  },
  {
    kind: kinds.RuntimeClass,
    good: { handler: "runc" },
    faults: [
      ["handler", "A", "handler"],
      ["overhead", { podFixed: { cpu: "-1" } }, "overhead.podFixed[cpu]"],
    ],
    fixed: [["handler", "kata"]],
  },
  {
    kind: kinds.EventsEvent,
    good: {
      eventTime: "2026-01-01T00:00:00.000000Z",
      reportingController: "example.com/c",
      reportingInstance: "c-1",
      action: "Doing",
      reason: "Because",
      type: "Normal",
      regarding: { kind: "Pod", name: "p" },
    },
    faults: [
      ["eventTime", undefined, "eventTime"],
      ["reportingController", "", "reportingController"],
      ["action", "", "action"],
      ["reason", "x".repeat(129), "reason"],
      ["type", "Odd", "type"],
      ["note", "x".repeat(1025), "note"],
    ],
  },
  { kind: kinds.ValidatingWebhookConfiguration, good: { webhooks: [webhook] }, faults: webhookFaults },
  {
    kind: kinds.MutatingWebhookConfiguration,
    good: { webhooks: [webhook] },
    faults: [...webhookFaults, ["webhooks.0.reinvocationPolicy", "Often", "webhooks[0].reinvocationPolicy"]],
  },
  {
    kind: kinds.ValidatingAdmissionPolicy,
    good: { spec: policySpec },
    faults: [
      ["spec.validations", [], "spec.validations"],
      ["spec.validations.0.expression", " ", "spec.validations[0].expression"],
      ["spec.validations.0.reason", "Mood", "spec.validations[0].reason"],
      ["spec.matchConstraints", undefined, "spec.matchConstraints"],
      ["spec.matchConstraints.resourceRules", [], "spec.matchConstraints.resourceRules"],
      ["spec.failurePolicy", "Shrug", "spec.failurePolicy"],
      ["spec.paramKind", { kind: "A" }, "spec.paramKind.apiVersion"],
      ["spec.variables", [{ name: "a-b", expression: "1" }], "spec.variables[0].name"],
    ],
  },
  {
    kind: kinds.ValidatingAdmissionPolicyBinding,
    good: { spec: { policyName: "p", validationActions: ["Deny"] } },
    faults: [
      ["spec.policyName", "", "spec.policyName"],
      ["spec.validationActions", [], "spec.validationActions"],
      ["spec.validationActions", ["Deny", "Warn"], "spec.validationActions"],
      ["spec.validationActions", ["Frown"], "spec.validationActions[0]"],
      ["spec.paramRef", { name: "a" }, "spec.paramRef.parameterNotFoundAction"],
      ["spec.paramRef", {}, "spec.paramRef"],
    ],
  },
  {
    kind: kinds.MutatingAdmissionPolicy,
    good: { spec: { matchConstraints: policySpec.matchConstraints, mutations: [mutation] } },
    faults: [
      ["spec.mutations", [], "spec.mutations"],
      ["spec.mutations.0.patchType", "Sed", "spec.mutations[0].patchType"],
      ["spec.mutations.0.jsonPatch", undefined, "spec.mutations[0].jsonPatch.expression"],
    ],
  },
  {
    kind: kinds.MutatingAdmissionPolicyBinding,
    good: { spec: { policyName: "p" } },
    faults: [["spec.policyName", "P", "spec.policyName"]],
  },
  {
    kind: kinds.APIService,
    good: {
      spec: {
        group: "a.io",
        version: "v1",
        groupPriorityMinimum: 10,
        versionPriority: 10,
        service: { name: "s", namespace: "d" },
      },
    },
    name: "v1.a.io",
    faults: [
      ["spec.group", "b.io", "metadata.name"],
      ["spec.groupPriorityMinimum", 0, "spec.groupPriorityMinimum"],
      ["spec.versionPriority", 1001, "spec.versionPriority"],
      ["spec.service.name", "", "spec.service.name"],
    ],
  },
  {
    kind: kinds.CertificateSigningRequest,
    good: { spec: { request: csr, signerName: "example.com/ca", usages: ["client auth"] } },
    faults: [
      ["spec.request", "YQ==", "spec.request"],
      ["spec.signerName", "ca", "spec.signerName"],
      ["spec.usages", [], "spec.usages"],
      ["spec.usages", ["world domination"], "spec.usages[0]"],
      ["spec.expirationSeconds", 599, "spec.expirationSeconds"],
    ],
  },
  {
    kind: kinds.FlowSchema,
    good: { spec: { priorityLevelConfiguration: { name: "p" }, rules: [] } },
    faults: [
      ["spec.matchingPrecedence", 10_001, "spec.matchingPrecedence"],
      ["spec.priorityLevelConfiguration.name", "", "spec.priorityLevelConfiguration.name"],
      ["spec.rules", [{ subjects: [] }], "spec.rules[0].subjects"],
      ["spec.rules", [{ subjects: [{ kind: "User" }] }], "spec.rules[0].subjects[0].user"],
    ],
  },
  {
    kind: kinds.PriorityLevelConfiguration,
    good: { spec: { type: "Limited", limited: { limitResponse: { type: "Queue", queuing: {} } } } },
    faults: [
      ["spec.type", "Other", "spec.type"],
      ["spec.limited", undefined, "spec.limited"],
      ["spec.limited.limitResponse.type", "Reject", "spec.limited.limitResponse.queuing"],
      ["spec.limited.limitResponse.queuing.handSize", 65, "spec.limited.limitResponse.queuing.handSize"],
    ],
  },
  {
    kind: kinds.DeviceClass,
    good: { spec: { selectors: [{ cel: { expression: "true" } }] } },
    faults: [
      ["spec.selectors.0", {}, "spec.selectors[0].cel"],
      ["spec.config", [{}], "spec.config[0]"],
    ],
  },
  {
    kind: kinds.ResourceClaim,
    good: { spec: claim },
    faults: [
      [`${request}.name`, "A", `${requestField}.name`],
      [`${request}.exactly`, undefined, requestField],
      [`${request}.exactly.deviceClassName`, "", `${requestField}.exactly.deviceClassName`],
      [`${request}.exactly.allocationMode`, "Some", `${requestField}.exactly.allocationMode`],
      [
        "spec.devices.constraints",
        [{ requests: ["x"], matchAttribute: "a.io/b" }],
        "spec.devices.constraints[0].requests[0]",
      ],
      ["spec.devices.constraints", [{ matchAttribute: "b" }], "spec.devices.constraints[0].matchAttribute"],
    ],
    fixed: [[`${request}.name`, "other"]],
  },
  {
    kind: kinds.ResourceClaimTemplate,
    good: { spec: { spec: claim } },
    faults: [[`spec.${request}.name`, "A", `spec.${requestField}.name`]],
    fixed: [[`spec.${request}.name`, "other"]],
  },
  {
    kind: kinds.ResourceSlice,
    good: {
      spec: {
        driver: "d.io",
        nodeName: "n",
        pool: { name: "p", generation: 1, resourceSliceCount: 1 },
        devices: [{ name: "a", attributes: { x: { int: 1 } } }],
      },
    },
    faults: [
      ["spec.driver", "", "spec.driver"],
      ["spec.allNodes", true, "spec"],
      ["spec.nodeName", undefined, "spec"],
      ["spec.pool.name", "", "spec.pool.name"],
      ["spec.devices.0.name", "A", "spec.devices[0].name"],
      ["spec.devices.0.attributes.x", { int: 1, bool: true }, "spec.devices[0].attributes[x]"],
      ["spec.devices.1", { name: "a" }, "spec.devices[1].name"],
    ],
    fixed: [["spec.nodeName", "m"]],
  },
];

for (const { kind, good, name, faults: table, fixed = [] } of rows) {
  const metadata = name ? { name } : {};
  test(`${kind.kind}: a good object passes, each fault is named by its path, fixed fields stay`, () => {
    assert.deepEqual(faults(kind, good, metadata), []);
    for (const [at, value, field] of table) {
      const found = faults(kind, changed(good, at, value), metadata);
      assert.ok(found.includes(field), `${at} = ${JSON.stringify(value)}: ${field} not in [${found.join(", ")}]`);
    }
    const old = made(kind, good, metadata);
    assert.deepEqual(changeFaults(kind, old, structuredClone(old)), []);
    for (const [at, value] of fixed) assert.notDeepEqual(changeFaults(kind, old, changed(old, at, value)), [], at);
  });
}

test("only the system may use its names and values for priorities", () => {
  assert.deepEqual(faults(kinds.PriorityClass, { value: 2_000_000_000 }, { name: "system-cluster-critical" }), []);
  assert.deepEqual(faults(kinds.PriorityClass, { value: 1 }, { name: "system-x" }), ["metadata.name"]);
});

test("events of both APIs are the same stored objects", () => {
  const { fromStored, toStored } = kinds.EventsEvent.storage!;
  const core = made<kinds.Event>(kinds.Event, {
    involvedObject: { kind: "Pod", name: "p", namespace: "default" },
    reason: "Pulled",
    message: "done",
    type: "Normal",
    count: 2,
    source: { component: "kubelet" },
    firstTimestamp: "2026-01-01T00:00:00Z",
    lastTimestamp: "2026-01-01T00:05:00Z",
  });
  const shown = fromStored(core);
  assert.equal(shown.regarding?.name, "p");
  assert.equal(shown.note, "done");
  assert.equal(shown.deprecatedCount, 2);
  assert.deepEqual(toStored(shown), core);
  assert.deepEqual(cells(kinds.EventsEvent, shown), cells(kinds.Event, core));
});

test("tables of small kinds show what kubectl prints", () => {
  const slice = made(kinds.EndpointSlice, {
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.0.0.1"] }, { addresses: ["10.0.0.2", "10.0.0.3", "10.0.0.4"] }],
    ports: [{ port: 80 }, { name: "b" }],
  });
  const { Ports, Endpoints } = cells(kinds.EndpointSlice, slice);
  assert.deepEqual([Ports, Endpoints], ["80,*", "10.0.0.1,10.0.0.2,10.0.0.3 + 1 more..."]);
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  assert.equal(
    cells(kinds.StorageClass, made(kinds.StorageClass, { provisioner: "a.io/b" }, { annotations })).Name,
    "x (default)",
  );
  const signing = made<kinds.CertificateSigningRequest>(kinds.CertificateSigningRequest, {
    spec: { request: csr, signerName: "a.io/b", usages: [] },
  });
  assert.equal(cells(kinds.CertificateSigningRequest, signing).Condition, "Pending");
  signing.status = { certificate: "YQ==", conditions: [{ type: "Approved", status: "True" }] };
  assert.equal(cells(kinds.CertificateSigningRequest, signing).Condition, "Approved,Issued");
});

test("a certificate request: approval has its own way, and what is issued stays", () => {
  const old = made<kinds.CertificateSigningRequest>(kinds.CertificateSigningRequest, {
    spec: { request: csr, signerName: "a.io/b" },
  });
  const judge = (status: object) =>
    kinds.CertificateSigningRequest.validateStatusUpdate?.({ ...old, status }, old).map(({ field }) => field);
  assert.deepEqual(judge({ certificate: "YQ==" }), []);
  assert.deepEqual(judge({ conditions: [{ type: "Approved", status: "True" }] }), ["status.conditions"]);
});
