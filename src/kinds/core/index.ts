// The kinds of the core group, each as value and type of one name.
export { Binding } from "./binding.ts";
export { ComponentStatus } from "./component-status.ts";
export { ConfigMap } from "./config-map.ts";
export { Endpoints } from "./endpoints.ts";
export { Event } from "./event.ts";
export { LimitRange } from "./limit-range.ts";
export { Namespace } from "./namespace.ts";
export { Node } from "./node.ts";
export { PersistentVolume } from "./persistent-volume.ts";
export { PersistentVolumeClaim } from "./persistent-volume-claim.ts";
export { Pod } from "./pod.ts";
export { PodTemplate } from "./pod-template.ts";
export { ReplicationController } from "./replication-controller.ts";
export { ResourceQuota } from "./resource-quota.ts";
export { Secret } from "./secret.ts";
export { Service } from "./service.ts";
export { ServiceAccount } from "./service-account.ts";
