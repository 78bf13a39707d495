import { test } from "node:test";
import assert from "node:assert/strict";
import { ConfigMap, Deployment, Role, RoleBinding } from "../../kinds/index.ts";
import { asAdmin, asUser, testApi } from "../testing.ts";

// oxlint-disable-next-line typescript/no-explicit-any
const draft = (object: object): any => structuredClone(object);
const jane = { name: "jane", groups: ["system:authenticated"] };
const apiGroup = "rbac.authorization.k8s.io";
const owner = { apiVersion: "apps/v1", kind: "Deployment", name: "d", uid: "u" };

/** Jane may write ConfigMaps, and what the extra rules say. */
async function setup(...extra: object[]) {
  const { api } = await testApi();
  const rules = [{ verbs: ["create", "update", "get"], apiGroups: [""], resources: ["configmaps"] }, ...extra];
  await api.create(asAdmin(), Role, "default", draft({ metadata: { name: "r" }, rules }), {});
  const subjects = [{ kind: "User", apiGroup, name: "jane" }];
  const roleRef = { apiGroup, kind: "Role", name: "r" };
  await api.create(asAdmin(), RoleBinding, "default", draft({ metadata: { name: "r" }, roleRef, subjects }), {});
  const object = (name: string, ...ownerReferences: object[]) => draft({ metadata: { name, ownerReferences } });
  const create = (name: string, reference: object) =>
    api.create(asUser(jane), ConfigMap, "default", object(name, reference), {});
  const update = (name: string, ...references: object[]) =>
    api.update(asUser(jane), ConfigMap, { namespace: "default", name }, object(name, ...references), {});
  return { api, create, update };
}

test("who may not delete an object does not give it another owner, nor take its owner away", async () => {
  const { create, update } = await setup();
  await create("a", owner);
  await update("a", owner);
  await assert.rejects(
    update("a", { ...owner, uid: "v" }),
    /configmaps "a" is forbidden: cannot set an ownerRef on a resource you can't delete: , <nil>/,
  );
  await assert.rejects(update("a"), /can't delete/);
  const deleter = await setup({ verbs: ["delete"], apiGroups: [""], resources: ["configmaps"] });
  await deleter.create("a", owner);
  await deleter.update("a", { ...owner, uid: "v" });
});

test("who blocks the deletion of an owner may change the owner's finalizers", async () => {
  const blocking = { ...owner, blockOwnerDeletion: true };
  const { create } = await setup();
  await assert.rejects(
    create("a", blocking),
    /cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>/,
  );
  await assert.rejects(
    create("a", { ...blocking, kind: "Unknown" }),
    /cannot find RESTMapping for APIVersion apps\/v1 Kind Unknown/,
  );
  const finalizer = await setup({
    verbs: ["update"],
    apiGroups: ["apps"],
    resources: [`${Deployment.plural}/finalizers`],
  });
  await finalizer.create("a", blocking);
});
