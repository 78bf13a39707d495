// The kinds of every group but the core one, each as value and type of one name.
export { Deployment } from "./apps/deployment.ts";
export { ReplicaSet } from "./apps/replica-set.ts";
export { StatefulSet } from "./apps/stateful-set.ts";
export { DaemonSet } from "./apps/daemon-set.ts";
export { ControllerRevision } from "./apps/controller-revision.ts";
export { Job } from "./batch/job.ts";
export { CronJob } from "./batch/cron-job.ts";
export { HorizontalPodAutoscaler } from "./autoscaling/horizontal-pod-autoscaler.ts";
export { HorizontalPodAutoscalerV1 } from "./autoscaling/horizontal-pod-autoscaler-v1.ts";
export { EventsEvent } from "./events/event.ts";
export { Ingress } from "./networking/ingress.ts";
export { IngressClass } from "./networking/ingress-class.ts";
export { NetworkPolicy } from "./networking/network-policy.ts";
export { IPAddress } from "./networking/addresses.ts";
export { ServiceCIDR } from "./networking/addresses.ts";
export { PodDisruptionBudget } from "./policy/pod-disruption-budget.ts";
export { Role, ClusterRole } from "./rbac/roles.ts";
export { RoleBinding, ClusterRoleBinding } from "./rbac/bindings.ts";
export { StorageClass } from "./storage/classes.ts";
export { VolumeAttachment } from "./storage/volume-attachment.ts";
export { CSIDriver } from "./storage/csi.ts";
export { CSINode } from "./storage/csi.ts";
export { CSIStorageCapacity } from "./storage/csi.ts";
export { VolumeAttributesClass } from "./storage/classes.ts";
export { PriorityClass } from "./scheduling/priority-class.ts";
export { Lease } from "./coordination/lease.ts";
export { EndpointSlice } from "./discovery/endpoint-slice.ts";
export { RuntimeClass } from "./node/runtime-class.ts";
export {
  ValidatingWebhookConfiguration,
  MutatingWebhookConfiguration,
} from "./admissionregistration/webhook-configurations.ts";
export { ValidatingAdmissionPolicy } from "./admissionregistration/validating-admission-policy.ts";
export {
  ValidatingAdmissionPolicyBinding,
  MutatingAdmissionPolicyBinding,
} from "./admissionregistration/policy-bindings.ts";
export { MutatingAdmissionPolicy } from "./admissionregistration/mutating-admission-policy.ts";
export { CustomResourceDefinition } from "./apiextensions/custom-resource-definition.ts";
export { APIService } from "./apiregistration/api-service.ts";
export { TokenReview, SelfSubjectReview } from "./authentication/reviews.ts";
export {
  SubjectAccessReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
} from "./authorization/reviews.ts";
export { CertificateSigningRequest } from "./certificates/certificate-signing-request.ts";
export { FlowSchema } from "./flowcontrol/flow-schema.ts";
export { PriorityLevelConfiguration } from "./flowcontrol/priority-level-configuration.ts";
export { DeviceClass } from "./resource/device-class.ts";
export { ResourceClaim } from "./resource/resource-claim.ts";
export { ResourceClaimTemplate } from "./resource/resource-claim.ts";
export { ResourceSlice } from "./resource/resource-slice.ts";
