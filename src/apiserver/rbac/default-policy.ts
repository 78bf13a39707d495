// Which default role may do what, as a table of facts.
// Follows kubernetes v1.36 plugin/pkg/auth/authorizer/rbac/bootstrappolicy (policy.go, controller_policy.go, namespace_policy.go).

/**
 * A role's name in the first column (with `collects=` and `to=` for aggregation), its rules below: verbs, groups and resources,
 * and names in brackets. Lists within a column are joined by commas. `read` and `write` stand for their verbs, `core` for the
 * group "", `url` for paths that are no resources, a line `events` for the right to tell events.
 */
export const clusterRoleTable = `
cluster-admin
  * * *
  * url *
admin collects=admin
edit collects=edit to=admin
view collects=view to=edit
system:aggregate-to-admin to=admin
  create authorization.k8s.io localsubjectaccessreviews
  read,write rbac.authorization.k8s.io rolebindings roles
system:aggregate-to-edit to=edit
  read core pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy
  impersonate core serviceaccounts
  write core pods pods/attach pods/exec pods/portforward pods/proxy
  create core pods/eviction
  write core configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy
  create core serviceaccounts/token
  write apps daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale
  write autoscaling horizontalpodautoscalers
  write batch cronjobs jobs
  write extensions daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale
  write policy poddisruptionbudgets
  write networking.k8s.io ingresses networkpolicies
  read,write coordination.k8s.io leases
  write resource.k8s.io resourceclaims resourceclaimtemplates
system:aggregate-to-view to=view
  read core configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status
  read core bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status
  read core namespaces
  read discovery.k8s.io endpointslices
  read apps controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status
  read autoscaling horizontalpodautoscalers horizontalpodautoscalers/status
  read batch cronjobs cronjobs/status jobs jobs/status
  read extensions daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale
  read policy poddisruptionbudgets poddisruptionbudgets/status
  read networking.k8s.io ingresses ingresses/status networkpolicies
  read resource.k8s.io resourceclaims resourceclaims/status resourceclaimtemplates
system:auth-delegator
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
system:basic-user
  create authorization.k8s.io selfsubjectaccessreviews selfsubjectrulesreviews
  create authentication.k8s.io selfsubjectreviews
system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create certificates.k8s.io certificatesigningrequests/nodeclient
system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create certificates.k8s.io certificatesigningrequests/selfnodeclient
system:certificates.k8s.io:kube-apiserver-client-approver
  approve certificates.k8s.io signers [kubernetes.io/kube-apiserver-client]
system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve certificates.k8s.io signers [kubernetes.io/kube-apiserver-client-kubelet]
system:certificates.k8s.io:kubelet-serving-approver
  approve certificates.k8s.io signers [kubernetes.io/kubelet-serving]
system:certificates.k8s.io:legacy-unknown-approver
  approve certificates.k8s.io signers [kubernetes.io/legacy-unknown]
system:discovery
  get url /api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/
system:kube-aggregator
  read core endpoints services
system:kube-controller-manager
  events
  create coordination.k8s.io leases
  get,update coordination.k8s.io leases [kube-controller-manager]
  create core secrets serviceaccounts
  delete core secrets
  get core configmaps namespaces secrets serviceaccounts
  update core secrets serviceaccounts
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  list,watch * *
  create core serviceaccounts/token
system:kube-dns
  list,watch core endpoints services
system:kube-scheduler
  events
  create coordination.k8s.io leases
  get,update coordination.k8s.io leases [kube-scheduler]
  read core nodes
  delete,get,list,watch core pods
  create core bindings pods/binding
  patch,update core pods/status
  read core replicationcontrollers services
  read apps,extensions replicasets
  read apps statefulsets
  read policy poddisruptionbudgets
  read core persistentvolumeclaims persistentvolumes
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io subjectaccessreviews
  read storage.k8s.io csinodes
  read core namespaces
  read storage.k8s.io csidrivers
  read storage.k8s.io csistoragecapacities
  read storage.k8s.io volumeattachments
  read resource.k8s.io deviceclasses resourceclaims
  read,patch,update resource.k8s.io resourceclaims
  read,patch,update resource.k8s.io resourceclaims/status
  read resource.k8s.io resourceslices
  read,patch,update core pods/finalizers
system:kubelet-api-admin
  read core nodes
  proxy core nodes
  * core nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats
system:monitoring
  get url /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*
system:node
  create authentication.k8s.io tokenreviews
  create authorization.k8s.io localsubjectaccessreviews subjectaccessreviews
  read core services
  create,read core nodes
  patch,update core nodes/status
  patch,update core nodes
  create,patch,update core events
  read core pods
  create,delete core pods
  patch,update core pods/status
  create core pods/eviction
  read core configmaps secrets
  get core persistentvolumeclaims persistentvolumes
  get core endpoints
  create,read certificates.k8s.io certificatesigningrequests
  create,delete,get,patch,update coordination.k8s.io leases
  get storage.k8s.io volumeattachments
  create core serviceaccounts/token
  get core serviceaccounts
  get,patch,update core persistentvolumeclaims/status
  read storage.k8s.io csidrivers
  create,delete,get,patch,update storage.k8s.io csinodes
  read node.k8s.io runtimeclasses
  get resource.k8s.io resourceclaims
  deletecollection,list,watch resource.k8s.io resourceslices
  create,delete,get,patch,update resource.k8s.io resourceslices
system:node-bootstrapper
  create,read certificates.k8s.io certificatesigningrequests
system:node-problem-detector
  get core nodes
  patch core nodes/status
  events
system:node-proxier
  list,watch core endpoints services
  read core nodes
  events
  list,watch discovery.k8s.io endpointslices
  list,watch networking.k8s.io servicecidrs
system:persistent-volume-provisioner
  create,delete,read core persistentvolumes
  read,update core persistentvolumeclaims
  read storage.k8s.io storageclasses
  watch core events
  events
system:public-info-viewer
  get url /healthz /livez /readyz /version /version/
system:service-account-issuer-discovery
  get url /.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/
system:volume-scheduler
  read,patch,update core persistentvolumes
  read storage.k8s.io storageclasses
  read,patch,update core persistentvolumeclaims
`;

/** Roles of controllers, without the prefix `system:controller:`; each is bound to the account of its name in kube-system. */
export const controllerRoleTable = `
attachdetach-controller
  list,watch core persistentvolumeclaims persistentvolumes
  read core nodes
  patch,update core nodes/status
  list,watch core pods
  events
  create,delete,read storage.k8s.io volumeattachments
  read storage.k8s.io csidrivers
  read storage.k8s.io csinodes
certificate-controller
  delete,read certificates.k8s.io certificatesigningrequests
  update certificates.k8s.io certificatesigningrequests/approval certificatesigningrequests/status
  approve certificates.k8s.io signers [kubernetes.io/kube-apiserver-client-kubelet]
  sign certificates.k8s.io signers [kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown]
  create authorization.k8s.io subjectaccessreviews
  events
clusterrole-aggregation-controller
  escalate,read,patch,update rbac.authorization.k8s.io clusterroles
cronjob-controller
  read,update batch cronjobs
  create,delete,read,patch,update batch jobs
  update batch cronjobs/status
  update batch cronjobs/finalizers
  delete,list,watch core pods
  events
daemon-set-controller
  read apps,extensions daemonsets
  update apps,extensions daemonsets/status
  update apps,extensions daemonsets/finalizers
  list,watch core nodes
  create,delete,list,patch,watch core pods
  create core pods/binding
  create,delete,read,patch,update apps controllerrevisions
  events
deployment-controller
  read,update apps,extensions deployments
  update apps,extensions deployments/status
  update apps,extensions deployments/finalizers
  create,delete,read,patch,update apps,extensions replicasets
  read,update core pods
  events
device-taint-eviction-controller
  delete,read core pods
  patch,update core pods/status
  read resource.k8s.io resourceclaims
  read resource.k8s.io resourceslices
  read resource.k8s.io deviceclasses
  read resource.k8s.io devicetaintrules
  events
disruption-controller
  read apps,extensions deployments
  read apps,extensions replicasets
  read core replicationcontrollers
  read policy poddisruptionbudgets
  read apps statefulsets
  update policy poddisruptionbudgets/status
  patch,update core pods/status
  get * */scale
  events
endpoint-controller
  read core pods services
  create,delete,read,update core endpoints
  create core endpoints/restricted
  events
endpointslice-controller
  read core nodes pods services
  update core services/finalizers
  create,delete,read,update discovery.k8s.io endpointslices
  events
endpointslicemirroring-controller
  read core endpoints services
  update core services/finalizers
  update core endpoints/finalizers
  create,delete,read,update discovery.k8s.io endpointslices
  events
ephemeral-volume-controller
  read core pods
  update core pods/finalizers
  create,read core persistentvolumeclaims
  events
expand-controller
  read,patch,update core persistentvolumes
  patch,update core persistentvolumeclaims/status
  read core persistentvolumeclaims
  events
  get core services
generic-garbage-collector
  delete,read,patch,update * *
  events
horizontal-pod-autoscaler
  read autoscaling horizontalpodautoscalers
  update autoscaling horizontalpodautoscalers/status
  get,update * */scale
  list,watch core pods
  list,watch metrics.k8s.io pods
  read custom.metrics.k8s.io *
  read external.metrics.k8s.io *
  events
job-controller
  read,patch,update batch jobs
  update batch jobs/status
  update batch jobs/finalizers
  create,delete,list,patch,watch core pods
  events
legacy-service-account-token-cleaner
  get core configmaps [kube-apiserver-legacy-service-account-token-tracking]
  delete,patch core secrets
namespace-controller
  delete,read core namespaces
  update core namespaces/finalize namespaces/status
  delete,deletecollection,read * *
node-controller
  delete,read,patch,update core nodes
  patch,update core nodes/status
  patch,update core pods/status
  delete,read core pods
  events
persistent-volume-binder
  create,delete,read,update core persistentvolumes
  update core persistentvolumes/status
  read,update core persistentvolumeclaims
  update core persistentvolumeclaims/status
  create,delete,read core pods
  read storage.k8s.io storageclasses
  list,watch core nodes
  events
  watch core events
  get core services
pod-garbage-collector
  delete,list,watch core pods
  read core nodes
  patch core pods/status
pv-protection-controller
  read,update core persistentvolumes
  events
pvc-protection-controller
  read,update core persistentvolumeclaims
  read core pods
  events
replicaset-controller
  read,update apps,extensions replicasets
  update apps,extensions replicasets/status
  update apps,extensions replicasets/finalizers
  create,delete,list,patch,watch core pods
  events
replication-controller
  read,update core replicationcontrollers
  update core replicationcontrollers/status
  update core replicationcontrollers/finalizers
  create,delete,list,patch,watch core pods
  events
resource-claim-controller
  read core pods
  update core pods/finalizers
  create,delete,read resource.k8s.io resourceclaims
  patch,update resource.k8s.io resourceclaims resourceclaims/status
  patch,update core pods/status
  events
resourcequota-controller
  list,watch * *
  update core resourcequotas/status
  events
root-ca-cert-publisher
  create,update core configmaps
  events
route-controller
  list,watch core nodes
  patch core nodes/status
  events
selinux-warning-controller
  events
  read core persistentvolumes
  read core persistentvolumeclaims
  read core pods
  read storage.k8s.io csidrivers
service-account-controller
  create core serviceaccounts
  events
service-cidrs-controller
  read,patch,update networking.k8s.io servicecidrs
  patch,update networking.k8s.io servicecidrs/finalizers
  patch,update networking.k8s.io servicecidrs/status
  read networking.k8s.io ipaddresses
  events
service-controller
  read core services
  patch,update core services/status
  list,watch core nodes
  events
statefulset-controller
  list,watch core pods
  read apps statefulsets
  update apps statefulsets/status
  update apps statefulsets/finalizers
  create,delete,get,patch,update core pods
  create,delete,read,patch,update apps controllerrevisions
  create,read core persistentvolumeclaims
  delete,update core persistentvolumeclaims
  update core pods/finalizers
  events
ttl-after-finished-controller
  delete,read batch jobs
  events
ttl-controller
  list,patch,update,watch core nodes
  events
validatingadmissionpolicy-status-controller
  read admissionregistration.k8s.io validatingadmissionpolicies
  get,patch,update admissionregistration.k8s.io validatingadmissionpolicies/status
  events
volumeattributesclass-protection-controller
  read core persistentvolumeclaims
  read core persistentvolumes
  read,update storage.k8s.io volumeattributesclasses
  events
`;

/** Roles in namespaces: `namespace/name`. */
export const namespacedRoleTable = `
kube-public/system:controller:bootstrap-signer
  read core configmaps
  update core configmaps [cluster-info]
  events
kube-system/extension-apiserver-authentication-reader
  read core configmaps [extension-apiserver-authentication]
kube-system/system::leader-locking-kube-controller-manager
  watch core configmaps
  get,update core configmaps [kube-controller-manager]
  create,read,update coordination.k8s.io leases
kube-system/system::leader-locking-kube-scheduler
  watch core configmaps
  get,update core configmaps [kube-scheduler]
kube-system/system:controller:bootstrap-signer
  read core secrets
kube-system/system:controller:cloud-provider
  create,read core configmaps
kube-system/system:controller:token-cleaner
  delete,read core secrets
  events
`;

/** A binding's name, then its subjects: `user:`, `group:` or `account:` (of kube-system). */
export const clusterBindingTable = `
cluster-admin group:system:masters
system:basic-user group:system:authenticated
system:discovery group:system:authenticated
system:kube-controller-manager user:system:kube-controller-manager
system:kube-dns account:kube-dns
system:kube-scheduler user:system:kube-scheduler
system:monitoring group:system:monitoring
system:node
system:node-proxier user:system:kube-proxy
system:public-info-viewer group:system:authenticated group:system:unauthenticated
system:service-account-issuer-discovery group:system:serviceaccounts
system:volume-scheduler user:system:kube-scheduler
`;

/** The same in namespaces, with the role's name in between. */
export const namespacedBindingTable = `
kube-public/system:controller:bootstrap-signer system:controller:bootstrap-signer account:bootstrap-signer
kube-system/system::extension-apiserver-authentication-reader extension-apiserver-authentication-reader user:system:kube-controller-manager user:system:kube-scheduler
kube-system/system::leader-locking-kube-controller-manager system::leader-locking-kube-controller-manager user:system:kube-controller-manager account:kube-controller-manager account:leader-election-controller
kube-system/system::leader-locking-kube-scheduler system::leader-locking-kube-scheduler user:system:kube-scheduler account:kube-scheduler
kube-system/system:controller:bootstrap-signer system:controller:bootstrap-signer account:bootstrap-signer
kube-system/system:controller:cloud-provider system:controller:cloud-provider account:cloud-provider
kube-system/system:controller:token-cleaner system:controller:token-cleaner account:token-cleaner
`;
