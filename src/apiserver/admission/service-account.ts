// Every pod runs as a ServiceAccount, whose token, CA and namespace it finds in a projected volume.
// Follows kubernetes v1.36 plugin/pkg/admission/serviceaccount.
import type { Container, Pod, PodSpec, ServiceAccount, Volume } from "../../kinds/generated/core.v1.ts";
import { forbidden } from "../../machinery/errors.ts";
import { deepFreeze } from "../../store/entry.ts";
import { fnv32a } from "../../machinery/hash.ts";
import { safeEncode } from "../../machinery/names.ts";
import type { AdmissionPlugin } from "./chain.ts";
import { rootCaConfigMap } from "./namespace-contents.ts";

const mountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
/** A little over an hour, so that the kubelet's refresh at 80 % stays below an hour. */
const tokenSeconds = 3607;
const readableByAll = 0o644;
const volumePrefix = "kube-api-access-";
const mirrorAnnotation = "kubernetes.io/config.mirror";

export const serviceAccount: AdmissionPlugin = {
  name: "ServiceAccount",
  operations: ["CREATE"],
  resources: ["/pods"],
  mutate({ object, namespace, name }, { store }) {
    const pod = object as Pod;
    const spec = pod.spec;
    if (!spec || pod.metadata!.annotations?.[mirrorAnnotation]) return;
    spec.serviceAccountName ||= "default";
    spec.serviceAccount = spec.serviceAccountName;
    const entry = store.latest({ collection: "/serviceaccounts", namespace, name: spec.serviceAccountName });
    if (!entry) {
      const why = `error looking up service account ${namespace}/${spec.serviceAccountName}: serviceaccount ${JSON.stringify(spec.serviceAccountName)} not found`;
      throw forbidden({ group: "", resource: "pods" }, name, why);
    }
    const account = entry.object as ServiceAccount;
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(spec);
    if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length) {
      spec.imagePullSecrets = account.imagePullSecrets.map(({ name: secret }) => ({ name: secret! }));
    }
  },
};

/** Mounts the volume into every container that has nothing at its path. */
function mountToken(spec: PodSpec): void {
  const isOpen = ({ volumeMounts }: Container) => !volumeMounts?.some((one) => one.mountPath === mountPath);
  if (!spec.containers?.some(isOpen) && !spec.initContainers?.some(isOpen)) return;
  // A container that a webhook has added since shares the volume of the others.
  const known = spec.volumes?.find((volume) => volume.name.startsWith(volumePrefix));
  const name = known?.name ?? tokenVolumeName(spec.serviceAccountName!);
  const added = { name, readOnly: true, mountPath };
  const mount = (container: Container) => {
    if (isOpen(container)) container.volumeMounts = [...(container.volumeMounts ?? []), added];
  };
  spec.containers?.forEach(mount);
  spec.initContainers?.forEach(mount);
  if (!known) spec.volumes = [...(spec.volumes ?? []), { name, projected: tokenSource }];
}

let named = { account: "", volume: "" };

/** The same for all pods of an account, so that pods of one controller are alike. */
function tokenVolumeName(account: string): string {
  if (account !== named.account) {
    const hash = safeEncode(String(fnv32a(account)));
    named = { account, volume: `${volumePrefix}${hash.slice(0, 5).padEnd(5, "x")}` };
  }
  return named.volume;
}

/** One for all pods: it is complete, so nobody has to write to it. */
const tokenSource: NonNullable<Volume["projected"]> = deepFreeze({
  defaultMode: readableByAll,
  sources: [
    { serviceAccountToken: { expirationSeconds: tokenSeconds, path: "token" } },
    { configMap: { name: rootCaConfigMap, items: [{ key: "ca.crt", path: "ca.crt" }] } },
    {
      downwardAPI: {
        items: [{ path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } }],
      },
    },
  ],
});
