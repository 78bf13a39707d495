// What an absent field of a pod means. Follows kubernetes v1.36 pkg/apis/core/v1/defaults.go and zz_generated.defaults.go.
import type {
  Container,
  EphemeralContainer,
  HTTPGetAction,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Probe,
  ResourceRequirements,
  Volume,
} from "../../generated/core.v1.ts";
import { containerResources, isPodLevelResource } from "./resources.ts";

/** Tag of an image reference: "latest" when it has neither tag nor digest, "" when the reference is empty. */
export function imageTag(image: string | undefined): string {
  if (!image) return "";
  const digest = image.indexOf("@");
  const reference = digest < 0 ? image : image.slice(0, digest);
  const colon = reference.lastIndexOf(":");
  const tag = colon > reference.lastIndexOf("/") ? reference.slice(colon + 1) : "";
  if (/^\w[\w.-]*$/.test(tag)) return tag;
  return digest < 0 ? "latest" : "";
}

const pullPolicyFor = (image: string | undefined) => (imageTag(image) === "latest" ? "Always" : "IfNotPresent");

function defaultHttpGet(action: HTTPGetAction | undefined): void {
  if (!action) return;
  action.path ||= "/";
  action.scheme ||= "HTTP";
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc) probe.grpc.service ??= "";
}

/** Fills a container; ephemeral containers share what they have in common. */
function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= pullPolicyFor(container.image);
  container.terminationMessagePath ||= "/dev/termination-log";
  container.terminationMessagePolicy ||= "File";
  container.resources ??= {};
  for (const port of container.ports ?? []) port.protocol ||= "TCP";
  for (const variable of container.env ?? []) {
    if (variable.valueFrom?.fieldRef) variable.valueFrom.fieldRef.apiVersion ||= "v1";
    if (variable.valueFrom?.fileKeyRef) variable.valueFrom.fileKeyRef.optional ??= false;
    const resource = variable.valueFrom?.resourceFieldRef;
    if (resource) resource.divisor ??= "0";
  }
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHttpGet(container.lifecycle?.postStart?.httpGet);
  defaultHttpGet(container.lifecycle?.preStop?.httpGet);
}

type DownwardItems = { fieldRef?: { apiVersion?: string }; resourceFieldRef?: { divisor?: string } }[];

function defaultDownwardItems(items: DownwardItems | undefined): void {
  for (const item of items ?? []) {
    if (item.fieldRef) item.fieldRef.apiVersion ||= "v1";
    if (item.resourceFieldRef) item.resourceFieldRef.divisor ??= "0";
  }
}

const readableByAll = 0o644;

/** Fills a volume; one without a source is an empty directory. */
function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((field) => field === "name")) volume.emptyDir = {};
  if (volume.secret) volume.secret.defaultMode ??= readableByAll;
  if (volume.configMap) volume.configMap.defaultMode ??= readableByAll;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= readableByAll;
    defaultDownwardItems(volume.downwardAPI.items);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= readableByAll;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken) source.serviceAccountToken.expirationSeconds ??= 3600;
      defaultDownwardItems(source.downwardAPI?.items);
    }
  }
  if (volume.hostPath) volume.hostPath.type ??= "";
  if (volume.image) volume.image.pullPolicy ||= pullPolicyFor(volume.image.reference);
  if (volume.iscsi) volume.iscsi.iscsiInterface ||= "default";
  const claim = volume.ephemeral?.volumeClaimTemplate;
  if (claim) claim.spec = { ...claim.spec, volumeMode: claim.spec?.volumeMode ?? "Filesystem" };
}

/** Fills what templates and pods have in common. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  // The older name of the field goes along with the newer one.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) spec.serviceAccountName = spec.serviceAccount = account;
  // Deleting makes objects slow to read, so only what is there.
  else if (spec.serviceAccountName !== undefined || spec.serviceAccount !== undefined) {
    delete spec.serviceAccountName;
    delete spec.serviceAccount;
  }
  for (const field of ["initContainers", "containers", "ephemeralContainers"] as const) {
    for (const container of spec[field] ?? []) defaultContainer(container);
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
}

/** Fills the template of a workload. */
export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template?.spec) defaultPodSpec(template.spec);
}

/** A limit without a request requests as much. */
function requestWhatIsLimited(resources: ResourceRequirements | undefined): void {
  if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests };
}

function defaultPodLevelResources(spec: PodSpec): void {
  const resources = spec.resources;
  if (!resources) return;
  const containerLimits = containerResources(spec, "limits");
  for (const name in containerLimits) {
    if (name.startsWith("hugepages-") && resources.requests?.[name] === undefined)
      resources.limits = { [name]: containerLimits[name]!, ...resources.limits };
  }
  if (!resources.limits) return;
  const asked = Object.entries(containerResources(spec, "requests")).filter(
    ([name]) => isPodLevelResource(name) && !name.startsWith("hugepages-"),
  );
  const limited = Object.entries(resources.limits).filter(([name]) => isPodLevelResource(name));
  resources.requests = { ...Object.fromEntries([...limited, ...asked]), ...resources.requests };
}

/** Fills a pod: its spec, and what only pods, not templates, have filled. */
export function defaultPod(pod: Pod): void {
  const spec = pod.spec;
  if (!spec) return;
  defaultPodSpec(spec);
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  for (const container of containers) requestWhatIsLimited(container.resources);
  defaultPodLevelResources(spec);
  spec.enableServiceLinks ??= true;
  if (!spec.hostNetwork) return;
  for (const container of containers) for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}
