import { test } from "node:test";
import assert from "node:assert/strict";
import type { Container, Pod, PodSpec, Volume } from "../../generated/core.v1.ts";
import { Pod as PodKind } from "../pod.ts";
import { validatePodTemplate } from "./validate.ts";

type Change = (spec: PodSpec, container: Container, pod: Pod) => void;

function podWith(change: Change = () => {}): Pod {
  const container: Container = {
    name: "web",
    image: "web:1",
    ports: [{ containerPort: 80, name: "http" }],
    env: [{ name: "A", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } as never } }],
    volumeMounts: [{ name: "data", mountPath: "/data" }],
    readinessProbe: { httpGet: { port: "http" } },
    resources: { requests: { cpu: "100m" }, limits: { cpu: "1" } },
  };
  const pod = {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "web", namespace: "default", labels: { app: "web" } },
    spec: { containers: [container], volumes: [{ name: "data" }] },
  } as unknown as Pod;
  change(pod.spec!, container, pod);
  PodKind.defaults!(pod);
  return pod;
}

const volume =
  (source: Partial<Volume>): Change =>
  (spec) =>
    spec.volumes!.push({ name: "v", ...source });
const inContainer =
  (fields: Partial<Container>): Change =>
  (_, container) =>
    Object.assign(container, fields);
const inSpec =
  (fields: Partial<PodSpec>): Change =>
  (spec) =>
    Object.assign(spec, fields);
const init =
  (fields: Partial<Container>): Change =>
  (spec) => {
    spec.initContainers = [{ name: "init", image: "i:1", ...fields }];
  };

const fine: Record<string, Change> = {
  "the example itself": () => {},
  "a claim, a projected token and a host path": (spec) => {
    spec.volumes!.push(
      { name: "a", persistentVolumeClaim: { claimName: "x" } },
      { name: "b", projected: { sources: [{ serviceAccountToken: { path: "token" } }, { configMap: { name: "c" } }] } },
      { name: "c", hostPath: { path: "/var/log", type: "Directory" } },
    );
  },
  "a sidecar with probes": init({ restartPolicy: "Always", startupProbe: { exec: { command: ["true"] } } }),
  "the host's network": inSpec({ hostNetwork: true }),
  "extended resources": inContainer({ resources: { limits: { "example.com/gpu": "2" } } }),
  "environment names that shells would not take": inContainer({ env: [{ name: "a.b-c" }] }),
  "its own DNS": inSpec({ dnsPolicy: "None", dnsConfig: { nameservers: ["10.0.0.1"], searches: ["a.b", "_x.c."] } }),
  "a deadline": inSpec({ activeDeadlineSeconds: 5 }),
};
for (const [name, change] of Object.entries(fine)) {
  test(`a pod with ${name} is accepted`, () => assert.deepEqual(PodKind.validate!(podWith(change)), []));
}

const refused: readonly [string, Change, ...string[]][] = [
  ["no containers", inSpec({ containers: [] }), "spec.containers"],
  ["no container name", inContainer({ name: "" }), "spec.containers[0].name"],
  ["a bad container name", inContainer({ name: "A_b" }), "spec.containers[0].name"],
  ["no image", inContainer({ image: "" }), "spec.containers[0].image"],
  ["a padded image", inContainer({ image: " web" }), "spec.containers[0].image"],
  ["a name used twice", init({ name: "web" }), "spec.initContainers[0].name"],
  ["a bad pull policy", inContainer({ imagePullPolicy: "Often" }), "spec.containers[0].imagePullPolicy"],
  [
    "a bad termination policy",
    inContainer({ terminationMessagePolicy: "x" }),
    "spec.containers[0].terminationMessagePolicy",
  ],
  [
    "a port out of range",
    inContainer({ ports: [{ containerPort: 70000 }] }),
    "spec.containers[0].ports[0].containerPort",
  ],
  [
    "a bad protocol",
    inContainer({ ports: [{ containerPort: 7, protocol: "X" }] }),
    "spec.containers[0].ports[0].protocol",
  ],
  [
    "a port name used twice",
    inContainer({
      ports: [
        { containerPort: 1, name: "http" },
        { containerPort: 2, name: "http" },
      ],
    }),
    "spec.containers[0].ports[1].name",
  ],
  [
    "a host port used twice",
    inContainer({
      ports: [
        { containerPort: 1, hostPort: 9 },
        { containerPort: 2, hostPort: 9 },
      ],
      readinessProbe: undefined as never,
    }),
    "spec.containers[0].ports[1].hostPort",
  ],
  [
    "another host port in the host's network",
    (spec, container) => {
      spec.hostNetwork = true;
      container.ports![0]!.hostPort = 81;
    },
    "spec.containers[0].ports[0].hostPort",
  ],
  ["a bad environment name", inContainer({ env: [{ name: "a=b" }] }), "spec.containers[0].env[0].name"],
  [
    "an empty value source",
    inContainer({ env: [{ name: "a", valueFrom: {} }] }),
    "spec.containers[0].env[0].valueFrom",
  ],
  [
    "a value and a source",
    inContainer({ env: [{ name: "a", value: "x", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }] }),
    "spec.containers[0].env[0].valueFrom",
  ],
  [
    "an unknown field reference",
    inContainer({ env: [{ name: "a", valueFrom: { fieldRef: { fieldPath: "spec.x" } } }] }),
    "spec.containers[0].env[0].valueFrom.fieldRef.fieldPath",
  ],
  [
    "an unknown resource reference",
    inContainer({ env: [{ name: "a", valueFrom: { resourceFieldRef: { resource: "limits.gpu" } } }] }),
    "spec.containers[0].env[0].valueFrom.resourceFieldRef.resource",
  ],
  [
    "a key reference without key",
    inContainer({ env: [{ name: "a", valueFrom: { configMapKeyRef: { name: "c", key: "" } } }] }),
    "spec.containers[0].env[0].valueFrom.configMapKeyRef.key",
  ],
  ["an empty envFrom", inContainer({ envFrom: [{}] }), "spec.containers[0].envFrom[0].valueFrom"],
  [
    "a mount of no volume",
    inContainer({ volumeMounts: [{ name: "x", mountPath: "/x" }] }),
    "spec.containers[0].volumeMounts[0].name",
  ],
  [
    "two mounts at one path",
    inContainer({
      volumeMounts: [
        { name: "data", mountPath: "/x" },
        { name: "data", mountPath: "/x" },
      ],
    }),
    "spec.containers[0].volumeMounts[1].mountPath",
  ],
  [
    "a sub-path that climbs",
    inContainer({ volumeMounts: [{ name: "data", mountPath: "/x", subPath: "a/../../b" }] }),
    "spec.containers[0].volumeMounts[0].subPath",
  ],
  [
    "mounts shared both ways without privilege",
    inContainer({ volumeMounts: [{ name: "data", mountPath: "/x", mountPropagation: "Bidirectional" }] }),
    "spec.containers[0].volumeMounts[0].mountPropagation",
  ],
  [
    "a device that is no claim",
    inContainer({ volumeDevices: [{ name: "data", devicePath: "/dev/x" }] }),
    "spec.containers[0].volumeDevices[0].name",
  ],
  ["a probe without handler", inContainer({ livenessProbe: {} }), "spec.containers[0].livenessProbe"],
  [
    "a probe with two handlers",
    inContainer({ livenessProbe: { tcpSocket: { port: 1 }, exec: { command: ["x"] } } }),
    "spec.containers[0].livenessProbe.tcpSocket",
  ],
  [
    "liveness after two successes",
    inContainer({ livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } }),
    "spec.containers[0].livenessProbe.successThreshold",
  ],
  [
    "a readiness probe that kills",
    inContainer({ readinessProbe: { tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 2 } }),
    "spec.containers[0].readinessProbe.terminationGracePeriodSeconds",
  ],
  ["an empty hook", inContainer({ lifecycle: { preStop: {} } }), "spec.containers[0].lifecycle.preStop"],
  [
    "a sleep past the grace period",
    inContainer({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
    "spec.containers[0].lifecycle.preStop.sleep",
  ],
  [
    "an unknown resource",
    inContainer({ resources: { limits: { gpu: "1" } } }),
    "spec.containers[0].resources.limits[gpu]",
    "spec.containers[0].resources.requests[gpu]",
  ],
  [
    "a negative request",
    inContainer({ resources: { requests: { cpu: "-1" } } }),
    "spec.containers[0].resources.requests[cpu]",
  ],
  [
    "a request above its limit",
    inContainer({ resources: { requests: { cpu: "2" }, limits: { cpu: "1" } } }),
    "spec.containers[0].resources.requests",
  ],
  [
    "half a device",
    inContainer({ resources: { limits: { "a.b/gpu": "500m" } } }),
    "spec.containers[0].resources.limits[a.b/gpu]",
    "spec.containers[0].resources.requests[a.b/gpu]",
  ],
  [
    "huge pages alone",
    inContainer({ resources: { limits: { "hugepages-2Mi": "4Mi" } } }),
    "spec.containers[0].resources",
  ],
  [
    "privilege without escalation",
    inContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
    "spec.containers[0].securityContext",
  ],
  [
    "a negative user",
    inContainer({ securityContext: { runAsUser: -1 } }),
    "spec.containers[0].securityContext.runAsUser",
  ],
  [
    "a local profile without file",
    inContainer({ securityContext: { seccompProfile: { type: "Localhost" } } }),
    "spec.containers[0].securityContext.seccompProfile.localhostProfile",
  ],
  [
    "probes of an init container",
    init({ livenessProbe: { exec: { command: ["x"] } } }),
    "spec.initContainers[0].livenessProbe",
  ],
  ["a volume with two sources", volume({ emptyDir: {}, hostPath: { path: "/x" } }), "spec.volumes[1].hostPath"],
  ["a volume name used twice", (spec) => spec.volumes!.push({ name: "data" }), "spec.volumes[1].name"],
  ["a host path that climbs", volume({ hostPath: { path: "/a/../b" } }), "spec.volumes[1].hostPath.path"],
  ["a host path of no type", volume({ hostPath: { path: "/a", type: "Pipe" } }), "spec.volumes[1].hostPath.type"],
  ["a secret without name", volume({ secret: {} }), "spec.volumes[1].secret.secretName"],
  [
    "a file outside its volume",
    volume({ configMap: { name: "c", items: [{ key: "k", path: "../x" }] } }),
    "spec.volumes[1].configMap.items[0].path",
  ],
  [
    "too wide a mode",
    volume({ secret: { secretName: "s", defaultMode: 0o1000 } }),
    "spec.volumes[1].secret.defaultMode",
  ],
  [
    "a token for a minute",
    volume({ projected: { sources: [{ serviceAccountToken: { path: "t", expirationSeconds: 60 } }] } }),
    "spec.volumes[1].projected.sources[0].serviceAccountToken.expirationSeconds",
  ],
  [
    "a downward file of nothing",
    volume({ downwardAPI: { items: [{ path: "x" }] } }),
    "spec.volumes[1].downwardAPI.items[0]",
  ],
  [
    "a claim without name",
    volume({ persistentVolumeClaim: { claimName: "" } }),
    "spec.volumes[1].persistentVolumeClaim.claimName",
  ],
  ["a bad restart policy", inSpec({ restartPolicy: "Sometimes" }), "spec.restartPolicy"],
  ["a bad DNS policy", inSpec({ dnsPolicy: "x" }), "spec.dnsPolicy"],
  ["no DNS at all", inSpec({ dnsPolicy: "None" }), "spec.dnsConfig"],
  ["a nameserver with a name", inSpec({ dnsConfig: { nameservers: ["ns"] } }), "spec.dnsConfig.nameservers[0]"],
  ["a bad node selector", inSpec({ nodeSelector: { "a/b/c": "x" } }), "spec.nodeSelector"],
  ["two ways to share processes", inSpec({ hostPID: true, shareProcessNamespace: true }), "spec.shareProcessNamespace"],
  ["a bad toleration", inSpec({ tolerations: [{ operator: "Equal", value: "x" }] }), "spec.tolerations[0].operator"],
  [
    "seconds of a toleration that does not evict",
    inSpec({ tolerations: [{ key: "a", operator: "Exists", effect: "NoSchedule", tolerationSeconds: 1 }] }),
    "spec.tolerations[0].effect",
  ],
  [
    "an affinity without terms",
    inSpec({
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    }),
    "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
  ],
  [
    "pod affinity without topology",
    inSpec({ affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: "" }] } } }),
    "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
  ],
  [
    "a spread without skew",
    inSpec({ topologySpreadConstraints: [{ maxSkew: 0, topologyKey: "zone", whenUnsatisfiable: "DoNotSchedule" }] }),
    "spec.topologySpreadConstraints[0].maxSkew",
  ],
  ["an alias without address", inSpec({ hostAliases: [{ ip: "x", hostnames: ["a"] }] }), "spec.hostAliases[0].ip"],
  ["a gate and a node", inSpec({ schedulingGates: [{ name: "a" }], nodeName: "n" }), "spec.nodeName"],
  ["a bad host name", inSpec({ hostname: "a.b" }), "spec.hostname"],
  ["a deadline in the past", inSpec({ activeDeadlineSeconds: 0 }), "spec.activeDeadlineSeconds"],
  ["a bad account name", inSpec({ serviceAccountName: "A" }), "spec.serviceAccountName"],
  ["an unknown system", inSpec({ os: { name: "plan9" } }), "spec.os.name"],
  ["a pod-level device", inSpec({ resources: { limits: { "a.b/gpu": "1" } } }), "spec.resources.limits[a.b/gpu]"],
  [
    "ephemeral containers from the start",
    inSpec({ ephemeralContainers: [{ name: "e", image: "e" }] }),
    "spec.ephemeralContainers",
  ],
];
for (const [name, change, ...fields] of refused) {
  test(`a pod with ${name} is refused at ${fields[0]}`, () => {
    const errors = PodKind.validate!(podWith(change));
    assert.deepEqual(
      errors.map(({ field }) => field),
      fields,
      JSON.stringify(errors, null, 1),
    );
  });
}

test("a template is checked with its labels, and takes no ephemeral containers", () => {
  const template = (labels: Record<string, string>, more: Partial<PodSpec> = {}) =>
    validatePodTemplate({ metadata: { labels } as never, spec: { ...podWith().spec!, ...more } }, "spec.template");
  assert.deepEqual(template({ a: "b" }), []);
  assert.deepEqual(
    template({ a: "b c" }).map(({ field }) => field),
    ["spec.template.metadata.labels"],
  );
  const bad = template(
    {},
    {
      restartPolicy: "",
      ephemeralContainers: podWith(inSpec({ ephemeralContainers: [{ name: "e", image: "e" }] })).spec!
        .ephemeralContainers!,
    },
  );
  assert.deepEqual(
    bad.map(({ field }) => field),
    ["spec.template.spec.restartPolicy", "spec.template.spec.ephemeralContainers"],
  );
  assert.deepEqual(
    validatePodTemplate(undefined, "template").map(({ field }) => field),
    ["template.spec.containers"],
  );
});

test("ephemeral containers of a running pod are checked like others, and have no ports", () => {
  const pod = podWith((spec, _, { metadata }) => {
    metadata.resourceVersion = "7";
    spec.ephemeralContainers = [{ name: "web", image: "d", targetContainerName: "x", ports: [{ containerPort: 1 }] }];
  });
  const at = "spec.ephemeralContainers[0]";
  assert.deepEqual(
    PodKind.validate!(pod).map(({ field }) => field),
    [`${at}.name`, `${at}.targetContainerName`, `${at}.ports`],
  );
});
