// Nothing is created in a namespace that does not exist or is going, and the system's namespaces stay.
// Follows kubernetes v1.36 apiserver/pkg/admission/plugin/namespace/lifecycle.
import { forbidden, notFound, StatusError } from "../../machinery/errors.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

const immortal = new Set(["default", "kube-system", "kube-public"]);

export const namespaceLifecycle: AdmissionPlugin = {
  name: "NamespaceLifecycle",
  operations: ["CREATE", "DELETE"],
  mutate(request, world) {
    if (request.operation === "CREATE") checkNamespace(request, world);
  },
  validate({ operation, resource, name }) {
    if (operation !== "DELETE" || resource !== "/namespaces" || !immortal.has(name)) return;
    throw forbidden({ group: "", resource: "namespaces" }, name, "this namespace may not be deleted");
  },
};

/** Throws NotFound or Forbidden when nothing may be created in the namespace of the request. */
export function checkNamespace(
  { kind, namespace, name, object }: AdmissionRequest,
  { store }: Pick<AdmissionWorld, "store">,
): void {
  if (!kind.namespaced) return;
  const found = store.latest({ collection: "/namespaces", namespace: "", name: namespace });
  if (!found) throw notFound({ group: "", resource: "namespaces" }, namespace);
  const { metadata, status } = found.object as KubeObject & { status?: { phase?: string } };
  if (!metadata.deletionTimestamp && status?.phase !== "Terminating") return;
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
  const { status: refusal } = forbidden(
    { group: kind.group, resource: kind.plural },
    name ?? object.metadata.generateName,
    why,
  );
  throw new StatusError({
    ...refusal,
    details: {
      ...refusal.details,
      causes: [
        {
          reason: "NamespaceTerminating",
          message: `namespace ${namespace} is being terminated`,
          field: "metadata.namespace",
        },
      ],
    },
  });
}
