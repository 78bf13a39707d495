// What CPU time one decision of the RBAC authorizer costs: with the default roles, with 2,000 roles and bindings of others besides,
// and for somebody who holds 200 roles.
// Usage: scripts/node.sh bench/rbac.ts [DECISIONS]
import { realClock } from "../src/machinery/clock.ts";
import type { KubeObject } from "../src/machinery/object.ts";
import { openMemoryStore } from "../src/store/memory.ts";
import type { Write } from "../src/store/store.ts";
import { createRbacAuthorizer } from "../src/apiserver/rbac/authorizer.ts";
import { bootstrap } from "../src/apiserver/rbac/bootstrap.ts";
import type { Attributes, UserInfo } from "../src/apiserver/types.ts";

const decisions = Number(process.argv[2] ?? 500_000);
const group = "rbac.authorization.k8s.io";
const clock = realClock;

function write(plural: string, kind: string, namespace: string, name: string, fields: object): Write {
  const metadata = { name, namespace, uid: name, resourceVersion: "", creationTimestamp: "2026-01-01T00:00:00Z" };
  const object = { apiVersion: `${group}/v1`, kind, metadata, ...fields } as KubeObject;
  return { type: "create", key: { collection: `${group}/${plural}`, namespace, name }, object };
}

/** A role of its own for the subject in the namespace `default`, and its binding. */
function grant(name: string, subject: string): Write[] {
  const rules = [{ verbs: ["get", "list", "watch"], apiGroups: [""], resources: ["configmaps", "secrets"] }];
  const subjects = [{ kind: "User", apiGroup: group, name: subject }];
  const roleRef = { apiGroup: group, kind: "Role", name };
  return [
    write("roles", "Role", "default", name, { rules }),
    write("rolebindings", "RoleBinding", "default", name, { subjects, roleRef }),
  ];
}

const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups: [...groups, "system:authenticated"] });
const account = (name: string) =>
  user(`system:serviceaccount:kube-system:${name}`, "system:serviceaccounts", "system:serviceaccounts:kube-system");

async function measure(what: string, others: number) {
  await using store = await openMemoryStore({ clock });
  await bootstrap({ store, clock, rootCaPem: "", serviceCidr: "10.96.0.0/16" });
  const own = Array.from({ length: 200 }, (_, i) => grant(`many-${i}`, "many")).flat();
  const rest = Array.from({ length: others }, (_, i) => grant(`other-${i}`, `user-${i}`)).flat();
  await store.write([...own, ...rest]);
  const authorizer = createRbacAuthorizer(store);
  const nanoseconds = (asking: UserInfo, allowed: boolean, over: Partial<Attributes> = {}) => {
    const one = { verb: "get", group: "", version: "v1", resource: "pods", subresource: "", namespace: "default" };
    const all = Array.from({ length: 64 }, (_, i) => ({ ...one, user: asking, name: `pod-${i}`, ...over }));
    if (authorizer.authorize(all[0]!).allowed !== allowed) throw new Error(`${what}: not ${allowed}`);
    const started = process.cpuUsage();
    for (let i = 0; i < decisions; i++) authorizer.authorize(all[i & 63]!);
    return Math.round((process.cpuUsage(started).user * 1000) / decisions);
  };
  const controller = account("replicaset-controller");
  return {
    what,
    "controller, allowed (ns)": nanoseconds(controller, true, { verb: "list" }),
    "controller, refused (ns)": nanoseconds(controller, false, { resource: "secrets" }),
    "user without rights (ns)": nanoseconds(user("nobody"), false),
    "user with 200 roles, refused (ns)": nanoseconds(user("many"), false),
  };
}

await measure("warm-up", 0);
console.table([await measure("default roles", 0), await measure("and 2,000 of others", 2000)]);
