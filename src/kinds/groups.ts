// The kinds of every group but the core one, each as value and type of one name, and the list of them.
import type { AnyKind } from "./registry.ts";
import { Deployment } from "./apps/deployment.ts";
import { ReplicaSet } from "./apps/replica-set.ts";
import { StatefulSet } from "./apps/stateful-set.ts";
import { DaemonSet } from "./apps/daemon-set.ts";
import { ControllerRevision } from "./apps/controller-revision.ts";
import { Job } from "./batch/job.ts";
import { CronJob } from "./batch/cron-job.ts";
import { HorizontalPodAutoscaler } from "./autoscaling/horizontal-pod-autoscaler.ts";
import { HorizontalPodAutoscalerV1 } from "./autoscaling/horizontal-pod-autoscaler-v1.ts";
import { EventsEvent } from "./events/event.ts";
import { Ingress } from "./networking/ingress.ts";
import { IngressClass } from "./networking/ingress-class.ts";
import { NetworkPolicy } from "./networking/network-policy.ts";
import { IPAddress } from "./networking/ip-address.ts";
import { ServiceCIDR } from "./networking/service-cidr.ts";
import { PodDisruptionBudget } from "./policy/pod-disruption-budget.ts";
import { Role } from "./rbac/role.ts";
import { ClusterRole } from "./rbac/cluster-role.ts";
import { RoleBinding } from "./rbac/role-binding.ts";
import { ClusterRoleBinding } from "./rbac/cluster-role-binding.ts";
import { StorageClass } from "./storage/storage-class.ts";
import { VolumeAttachment } from "./storage/volume-attachment.ts";
import { CSIDriver } from "./storage/csi-driver.ts";
import { CSINode } from "./storage/csi-node.ts";
import { CSIStorageCapacity } from "./storage/csi-storage-capacity.ts";
import { VolumeAttributesClass } from "./storage/volume-attributes-class.ts";
import { PriorityClass } from "./scheduling/priority-class.ts";
import { Lease } from "./coordination/lease.ts";
import { EndpointSlice } from "./discovery/endpoint-slice.ts";
import { RuntimeClass } from "./node/runtime-class.ts";
import { ValidatingWebhookConfiguration } from "./admissionregistration/validating-webhook-configuration.ts";
import { MutatingWebhookConfiguration } from "./admissionregistration/mutating-webhook-configuration.ts";
import { ValidatingAdmissionPolicy } from "./admissionregistration/validating-admission-policy.ts";
import { ValidatingAdmissionPolicyBinding } from "./admissionregistration/validating-admission-policy-binding.ts";
import { MutatingAdmissionPolicy } from "./admissionregistration/mutating-admission-policy.ts";
import { MutatingAdmissionPolicyBinding } from "./admissionregistration/mutating-admission-policy-binding.ts";
import { CustomResourceDefinition } from "./apiextensions/custom-resource-definition.ts";
import { APIService } from "./apiregistration/api-service.ts";
import { TokenReview } from "./authentication/token-review.ts";
import { SelfSubjectReview } from "./authentication/self-subject-review.ts";
import { SubjectAccessReview } from "./authorization/subject-access-review.ts";
import { LocalSubjectAccessReview } from "./authorization/local-subject-access-review.ts";
import { SelfSubjectAccessReview } from "./authorization/self-subject-access-review.ts";
import { SelfSubjectRulesReview } from "./authorization/self-subject-rules-review.ts";
import { CertificateSigningRequest } from "./certificates/certificate-signing-request.ts";
import { FlowSchema } from "./flowcontrol/flow-schema.ts";
import { PriorityLevelConfiguration } from "./flowcontrol/priority-level-configuration.ts";
import { DeviceClass } from "./resource/device-class.ts";
import { ResourceClaim } from "./resource/resource-claim.ts";
import { ResourceClaimTemplate } from "./resource/resource-claim-template.ts";
import { ResourceSlice } from "./resource/resource-slice.ts";

export {
  Deployment,
  ReplicaSet,
  StatefulSet,
  DaemonSet,
  ControllerRevision,
  Job,
  CronJob,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerV1,
  EventsEvent,
  Ingress,
  IngressClass,
  NetworkPolicy,
  IPAddress,
  ServiceCIDR,
  PodDisruptionBudget,
  Role,
  ClusterRole,
  RoleBinding,
  ClusterRoleBinding,
  StorageClass,
  VolumeAttachment,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  VolumeAttributesClass,
  PriorityClass,
  Lease,
  EndpointSlice,
  RuntimeClass,
  ValidatingWebhookConfiguration,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  CustomResourceDefinition,
  APIService,
  TokenReview,
  SelfSubjectReview,
  SubjectAccessReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  CertificateSigningRequest,
  FlowSchema,
  PriorityLevelConfiguration,
  DeviceClass,
  ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
};

export const otherKinds: readonly AnyKind[] = [
  Deployment,
  ReplicaSet,
  StatefulSet,
  DaemonSet,
  ControllerRevision,
  Job,
  CronJob,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerV1,
  EventsEvent,
  Ingress,
  IngressClass,
  NetworkPolicy,
  IPAddress,
  ServiceCIDR,
  PodDisruptionBudget,
  Role,
  ClusterRole,
  RoleBinding,
  ClusterRoleBinding,
  StorageClass,
  VolumeAttachment,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  VolumeAttributesClass,
  PriorityClass,
  Lease,
  EndpointSlice,
  RuntimeClass,
  ValidatingWebhookConfiguration,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  CustomResourceDefinition,
  APIService,
  TokenReview,
  SelfSubjectReview,
  SubjectAccessReview,
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SelfSubjectRulesReview,
  CertificateSigningRequest,
  FlowSchema,
  PriorityLevelConfiguration,
  DeviceClass,
  ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
];
