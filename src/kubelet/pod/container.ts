// The CRI configuration of one container. Follows kubernetes v1.36 pkg/kubelet/kuberuntime/kuberuntime_container.go
// (generateContainerConfig), security_context.go and pkg/securitycontext/util.go.
import { join } from "node:path";
import type { Capabilities, Pod, PodSpec, SecurityContext } from "../../kinds/generated/core.v1.ts";
import type { ContainerConfig, ImageInfo, LinuxContainerSecurityContext, Mount } from "../cri/types.ts";
import { ConfigError } from "../environment/env.ts";
import { expandReferences } from "../environment/expand.ts";
import {
  type AnyContainer,
  containerHash,
  containerNameLabel,
  hashAnnotation,
  podNameLabel,
  podNamespaceLabel,
  podUidLabel,
  restartCountAnnotation,
  specOf,
} from "./model.ts";
import { containerResources } from "./resources.ts";
import { namespaceOptions, seccompOf, supplementalGroups } from "./sandbox.ts";

export interface ContainerSettings {
  readonly restartCount: number;
  /** As the runtime names it. */
  readonly image: ImageInfo;
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly nodeMemoryBytes: number;
  /** Runtime id of the container whose processes an ephemeral container joins. */
  readonly targetContainerId?: string;
}

/** Paths that stay hidden or read-only in an unprivileged container's /proc and /sys. */
const maskedPaths = [
  "/proc/asound",
  "/proc/acpi",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];
const readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** Relative to the pod's log directory. */
const logPathOf = (container: string, restartCount: number): string => join(container, `${restartCount}.log`);

/** Throws ConfigError when the image's user breaks runAsNonRoot. */
export function containerConfig(pod: Pod, container: AnyContainer, settings: ContainerSettings): ContainerConfig {
  const spec = specOf(pod);
  const { environment, restartCount } = settings;
  const expand = (text: string) => expandReferences(text, (name) => environment.get(name));
  const { name, uid, namespace = "" } = pod.metadata;
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: settings.image.id },
    command: (container.command ?? []).map(expand),
    args: (container.args ?? []).map(expand),
    workingDir: container.workingDir ?? "",
    envs: [...environment].map(([key, value]) => ({ key, value: Buffer.from(value) })),
    mounts: [...settings.mounts],
    labels: {
      [podNameLabel]: name,
      [podNamespaceLabel]: namespace,
      [podUidLabel]: uid,
      [containerNameLabel]: container.name,
    },
    annotations: {
      [hashAnnotation]: containerHash(container),
      [restartCountAnnotation]: String(restartCount),
    },
    logPath: logPathOf(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources: containerResources(spec, container, settings.nodeMemoryBytes),
      securityContext: securityOf(spec, container, settings),
    },
  };
}

/** The container's own settings over those of the pod. */
function effectiveSecurity(spec: PodSpec, { securityContext: own = {} }: AnyContainer): SecurityContext {
  const { runAsUser, runAsGroup, runAsNonRoot, seccompProfile, seLinuxOptions, appArmorProfile } =
    spec.securityContext ?? {};
  const inherited = { runAsUser, runAsGroup, runAsNonRoot, seccompProfile, seLinuxOptions, appArmorProfile };
  const given = Object.entries(inherited).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), ...own };
}

function securityOf(
  spec: PodSpec,
  container: AnyContainer,
  settings: ContainerSettings,
): LinuxContainerSecurityContext {
  const security = effectiveSecurity(spec, container);
  const user = userOf(security, settings.image);
  checkNonRoot(security, settings.image, user);
  const privileged = security.privileged === true;
  const unmasked = privileged || security.procMount === "Unmasked";
  const namespaces = namespaceOptions(spec);
  return {
    privileged,
    ...(security.capabilities ? { capabilities: capabilitiesOf(security.capabilities) } : {}),
    namespaceOptions: settings.targetContainerId
      ? { ...namespaces, pid: "TARGET", targetId: settings.targetContainerId }
      : namespaces,
    ...user,
    ...(security.runAsGroup !== undefined && (user.runAsUser || user.runAsUsername)
      ? { runAsGroup: { value: security.runAsGroup } }
      : {}),
    readonlyRootfs: security.readOnlyRootFilesystem ?? false,
    supplementalGroups: supplementalGroups(spec),
    noNewPrivs: security.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : maskedPaths,
    readonlyPaths: unmasked ? [] : readonlyPaths,
    seccomp: privileged ? { profileType: "Unconfined" } : seccompOf(security.seccompProfile),
    ...(security.seLinuxOptions ? { selinuxOptions: security.seLinuxOptions } : {}),
    ...appArmorOf(security),
  };
}

function appArmorOf({ appArmorProfile }: SecurityContext): Pick<LinuxContainerSecurityContext, "apparmor"> {
  if (!appArmorProfile) return {};
  return {
    apparmor: {
      profileType: appArmorProfile.type as "RuntimeDefault" | "Unconfined" | "Localhost",
      ...(appArmorProfile.localhostProfile ? { localhostRef: appArmorProfile.localhostProfile } : {}),
    },
  };
}

const capabilitiesOf = ({ add = [], drop = [] }: Capabilities) => ({ addCapabilities: add, dropCapabilities: drop });

type User = Pick<LinuxContainerSecurityContext, "runAsUser" | "runAsUsername">;

function userOf(security: SecurityContext, image: ImageInfo): User {
  if (security.runAsUser !== undefined) return { runAsUser: { value: security.runAsUser } };
  if (image.uid) return { runAsUser: image.uid };
  return image.username ? { runAsUsername: image.username } : { runAsUser: { value: 0 } };
}

function checkNonRoot(security: SecurityContext, image: ImageInfo, user: User): void {
  if (!security.runAsNonRoot) return;
  if (security.runAsUser === 0) throw new ConfigError("container's runAsUser breaks non-root policy");
  if (security.runAsUser !== undefined) return;
  if (image.username && user.runAsUsername)
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root`,
    );
  if (!image.uid || BigInt(image.uid.value) === 0n)
    throw new ConfigError("container has runAsNonRoot and image will run as root");
}
