// The admission plugins in the order in which they run: what fills in before what counts and checks.
import type { AdmissionPlugin } from "./chain.ts";
import { certificateRequests, certificateSubject } from "./certificates.ts";
import { claimResize } from "./claim-resize.ts";
import { defaultIngressClass, defaultStorageClass } from "./default-classes.ts";
import { defaultTolerations } from "./default-tolerations.ts";
import { limitRanger } from "./limit-ranger.ts";
import { namespaceContents } from "./namespace-contents.ts";
import { namespaceLifecycle } from "./namespace-lifecycle.ts";
import { nodeRestriction } from "./node-restriction.ts";
import { ownerReferencesPermission } from "./owner-references.ts";
import { mutatingPolicies } from "./policy/mutating.ts";
import { validatingPolicies } from "./policy/validating.ts";
import { podSecurity } from "./pod-security/plugin.ts";
import { priority } from "./priority.ts";
import { rbacEscalation } from "./rbac-escalation.ts";
import { resourceQuota } from "./resource-quota.ts";
import { runtimeClass } from "./runtime-class.ts";
import { serviceAccount } from "./service-account.ts";
import { serviceAllocation } from "./service-allocation.ts";
import { storageInUse } from "./storage-in-use.ts";
import { podTopologyLabels } from "./topology-labels.ts";
import { mutatingWebhooks } from "./webhook/mutating.ts";
import { validatingWebhooks } from "./webhook/validating.ts";

export const admissionPlugins: readonly AdmissionPlugin[] = [
  namespaceLifecycle,
  limitRanger,
  serviceAccount,
  defaultTolerations,
  priority,
  runtimeClass,
  podTopologyLabels,
  defaultStorageClass,
  defaultIngressClass,
  storageInUse,
  claimResize,
  nodeRestriction,
  podSecurity,
  certificateRequests,
  certificateSubject,
  ownerReferencesPermission,
  rbacEscalation,
  serviceAllocation,
  namespaceContents,
  mutatingPolicies,
  mutatingWebhooks,
  validatingPolicies,
  validatingWebhooks,
  resourceQuota,
];
