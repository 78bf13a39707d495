// Everything that the stable versions of the API serve, as discovery tells it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { allVerbs } from "../../kinds/kind.ts";
import { testRouter } from "./testing.ts";

/** Group version, then its resources: `*` is every verb of an object, a subresource without verbs takes get, patch, update. */
const served = `
v1
  bindings create
  componentstatuses get,list
  configmaps *
  endpoints *
  events *
  limitranges *
  namespaces create,delete,get,list,patch,update,watch /finalize=update /status
  nodes * /proxy=create,delete,get,patch,update /status
  persistentvolumeclaims * /status
  persistentvolumes * /status
  pods * /attach=create,get /binding=create /ephemeralcontainers /eviction=create /exec=create,get /log=get /portforward=create,get /proxy=create,delete,get,patch,update /resize /status
  podtemplates *
  replicationcontrollers * /scale /status
  resourcequotas * /status
  secrets *
  serviceaccounts * /token=create
  services * /proxy=create,delete,get,patch,update /status
admissionregistration.k8s.io/v1
  mutatingadmissionpolicies *
  mutatingadmissionpolicybindings *
  mutatingwebhookconfigurations *
  validatingadmissionpolicies * /status
  validatingadmissionpolicybindings *
  validatingwebhookconfigurations *
apiextensions.k8s.io/v1
  customresourcedefinitions * /status
apiregistration.k8s.io/v1
  apiservices * /status
apps/v1
  controllerrevisions *
  daemonsets * /status
  deployments * /scale /status
  replicasets * /scale /status
  statefulsets * /scale /status
authentication.k8s.io/v1
  selfsubjectreviews create
  tokenreviews create
authorization.k8s.io/v1
  localsubjectaccessreviews create
  selfsubjectaccessreviews create
  selfsubjectrulesreviews create
  subjectaccessreviews create
autoscaling/v1
  horizontalpodautoscalers * /status
autoscaling/v2
  horizontalpodautoscalers * /status
batch/v1
  cronjobs * /status
  jobs * /status
certificates.k8s.io/v1
  certificatesigningrequests * /approval /status
coordination.k8s.io/v1
  leases *
discovery.k8s.io/v1
  endpointslices *
events.k8s.io/v1
  events *
flowcontrol.apiserver.k8s.io/v1
  flowschemas * /status
  prioritylevelconfigurations * /status
networking.k8s.io/v1
  ingressclasses *
  ingresses * /status
  ipaddresses *
  networkpolicies *
  servicecidrs * /status
node.k8s.io/v1
  runtimeclasses *
policy/v1
  poddisruptionbudgets * /status
rbac.authorization.k8s.io/v1
  clusterrolebindings *
  clusterroles *
  rolebindings *
  roles *
resource.k8s.io/v1
  deviceclasses *
  resourceclaims * /status
  resourceclaimtemplates *
  resourceslices *
scheduling.k8s.io/v1
  priorityclasses *
storage.k8s.io/v1
  csidrivers *
  csinodes *
  csistoragecapacities *
  storageclasses *
  volumeattachments * /status
  volumeattributesclasses *
`;

interface Row {
  readonly name: string;
  readonly verbs: readonly string[];
}

/** As a line of the list above. */
function lineOf(resources: readonly Row[], { name, verbs }: Row): string {
  const short = (list: readonly string[], usual: readonly string[], mark: string) =>
    list.join() === usual.toSorted().join() ? mark : `=${list.join()}`;
  const parts = resources
    .filter((row) => row.name.startsWith(`${name}/`))
    .map((row) => `${row.name.slice(name.length)}${short(row.verbs.toSorted(), ["get", "patch", "update"], "")}`);
  const own = short(verbs.toSorted(), allVerbs, "=*").slice(1);
  return `  ${[name, own, ...parts.toSorted()].join(" ")}`;
}

test("all stable kinds are served with all their verbs and subresources", async () => {
  const { ask } = await testRouter();
  const groups: { versions: { groupVersion: string }[] }[] = (await ask("GET", "/apis")).json().groups;
  const stable = groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => groupVersion));
  const found = ["v1", ...stable.filter((version) => /\/v\d+$/.test(version)).toSorted()];
  const lines: string[] = [];
  for (const version of found) {
    const { resources } = (await ask("GET", version === "v1" ? "/api/v1" : `/apis/${version}`)).json();
    const main = (resources as Row[]).filter(({ name }) => !name.includes("/"));
    lines.push(version, ...main.map((row) => lineOf(resources, row)).toSorted());
  }
  assert.deepEqual(lines, served.trim().split("\n"));
});
