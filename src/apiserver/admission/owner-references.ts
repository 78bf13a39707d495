// Who changes owners must be able to delete the object, and who blocks an owner's deletion to change that owner's finalizers.
// Follows kubernetes v1.36 plugin/pkg/admission/gc (gc_admission.go).
import { deepEqual } from "../../machinery/equal.ts";
import { forbidden } from "../../machinery/errors.ts";
import type { OwnerReference } from "../../machinery/object.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionWorld } from "./chain.ts";

export const ownerReferencesPermission: AdmissionPlugin = {
  name: "OwnerReferencesPermissionEnforcement",
  operations: ["CREATE", "UPDATE"],
  validate(request, world) {
    const { operation, object, old, kind, name, namespace, trusted, user } = request;
    const next = object.metadata.ownerReferences ?? [];
    const before = old?.metadata.ownerReferences ?? [];
    if (trusted || (next.length === 0 && before.length === 0) || deepEqual(next, before)) return;
    const { group, version, plural: resource } = kind;
    const refuse = (why: string) => forbidden({ group, resource }, name, why);
    // Who creates could as well create nothing: only who makes others' objects go needs to be able to delete them.
    if (operation === "UPDATE") {
      const attributes = { user, verb: "delete", group, version, resource, subresource: "", namespace, name };
      const { allowed, reason } = world.authorizer.authorize(attributes);
      if (!allowed) throw refuse(`cannot set an ownerRef on a resource you can't delete: ${reason}, <nil>`);
    }
    for (const owner of newlyBlocking(next, before)) checkOwner(owner, request, world, refuse);
  },
};

/** References that block their owner's deletion and did not before. */
const newlyBlocking = (next: readonly OwnerReference[], before: readonly OwnerReference[]) =>
  next.filter(
    ({ blockOwnerDeletion, uid }) =>
      blockOwnerDeletion && !before.some((known) => known.uid === uid && known.blockOwnerDeletion),
  );

function checkOwner(
  { apiVersion, kind: kindName, name }: OwnerReference,
  { user, namespace }: AdmissionRequest,
  { kinds, authorizer }: AdmissionWorld,
  refuse: (why: string) => Error,
): void {
  const kind = kinds.byApiVersion(apiVersion, kindName);
  if (!kind) {
    const what = `APIVersion ${apiVersion} Kind ${kindName}`;
    throw refuse(`cannot set blockOwnerDeletion in this case because cannot find RESTMapping for ${what}`);
  }
  const { allowed, reason } = authorizer.authorize({
    user,
    verb: "update",
    group: kind.group,
    version: kind.version,
    resource: kind.plural,
    subresource: "finalizers",
    namespace: kind.namespaced ? namespace : "",
    name,
  });
  if (allowed) return;
  const cannot = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on";
  throw refuse(`${cannot}: ${reason}, <nil>`);
}
