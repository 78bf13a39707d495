// Builders for scheduler tests.
import type { Node, Pod, PodSpec, Taint } from "../kinds/generated/core.v1.ts";

export interface NodeOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly labels?: Record<string, string>;
  readonly taints?: Taint[];
  readonly unschedulable?: boolean;
  readonly images?: Record<string, number>;
}

export function builtNode(name: string, options: NodeOptions = {}): Node {
  const { cpu = "4", memory = "8Gi", pods = "110", labels, taints, unschedulable, images = {} } = options;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      uid: `node-${name}`,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      labels: { "kubernetes.io/hostname": name, ...labels },
    },
    spec: { ...(taints ? { taints } : {}), ...(unschedulable ? { unschedulable } : {}) },
    status: {
      allocatable: { cpu, memory, pods },
      images: Object.entries(images).map(([image, sizeBytes]) => ({ names: [image], sizeBytes })),
    },
  };
}

export interface PodOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly priority?: number;
  readonly labels?: Record<string, string>;
  readonly namespace?: string;
  readonly hostPort?: number;
  readonly image?: string;
  readonly gates?: string[];
  readonly claim?: string;
  readonly on?: string;
  readonly owner?: string;
  readonly startTime?: string;
  readonly spec?: Partial<PodSpec>;
}

export function builtPod(name: string, options: PodOptions = {}): Pod {
  const { cpu, memory, priority, labels, namespace = "default", hostPort, image = "app", gates, claim } = options;
  const { on, owner, startTime, spec } = options;
  const requests = { ...(cpu ? { cpu } : {}), ...(memory ? { memory } : {}) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace,
      uid: `pod-${name}`,
      resourceVersion: "1",
      creationTimestamp: "2026-01-01T00:00:00Z",
      ...(labels ? { labels } : {}),
      ...(owner
        ? {
            ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }],
          }
        : {}),
    },
    spec: {
      containers: [
        {
          name: "app",
          image,
          resources: { requests },
          ...(hostPort ? { ports: [{ containerPort: 80, hostPort }] } : {}),
        },
      ],
      ...(priority === undefined ? {} : { priority, ...(priority ? { priorityClassName: "high" } : {}) }),
      ...(gates ? { schedulingGates: gates.map((gate) => ({ name: gate })) } : {}),
      ...(claim ? { volumes: [{ name: "data", persistentVolumeClaim: { claimName: claim } }] } : {}),
      ...(on ? { nodeName: on } : {}),
      ...spec,
    },
    ...(startTime ? { status: { startTime } } : {}),
  };
}
