// What other servers keep in a namespace, deleted when the namespace goes. Follows kubernetes v1.36
// pkg/controller/namespace/deletion/namespaced_resources_deleter.go (collections; what is not discovered holds the namespace).
import type { Store } from "../../store/store.ts";
import { backendOf, targetOf } from "./availability.ts";
import { userHeaders, type Answer } from "./connection.ts";
import type { Remote, RemoteResource } from "./remotes.ts";

/** What other servers still keep in a namespace. */
interface RemoteContents {
  /** `flunders.wardle.example.com` → number of objects. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Group versions that cannot be asked now. */
  readonly undiscovered: readonly string[];
  readonly errors: readonly string[];
}

const asker = {
  name: "system:serviceaccount:kube-system:namespace-controller",
  groups: ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"],
};
const timeoutMs = 30_000;

/** Deletes what the servers keep in the namespace and tells what is left. Resolves whatever they answer. */
export async function emptyNamespace(
  store: Pick<Store, "get" | "list">,
  remotes: readonly Remote[],
  namespace: string,
): Promise<RemoteContents> {
  const remaining = new Map<string, number>();
  const errors: string[] = [];
  const reachable = remotes.filter(({ available, resources }) => available && resources.length > 0);
  const asked = reachable.flatMap((remote) => remote.resources.filter(isDeletable).map((one) => ({ remote, one })));
  await Promise.all(
    asked.map(async ({ remote, one: { name } }) => {
      const { group, version, connection, reference } = remote;
      const ask = (method: string): Promise<Answer> =>
        connection.fetch(targetOf(reference, backendOf(store, reference), 0), {
          method,
          path: `/apis/${group}/${version}/namespaces/${encodeURIComponent(namespace)}/${name}`,
          headers: { ...userHeaders(asker), accept: "application/json" },
          signal: AbortSignal.timeout(timeoutMs),
        });
      try {
        const deleted = await ask("DELETE");
        if (deleted.status >= 400) throw new Error(`status ${deleted.status}`);
        const { items } = JSON.parse((await ask("GET")).body.toString("utf8")) as { items?: readonly unknown[] };
        if (items?.length) remaining.set(`${name}.${group}`, items.length);
      } catch (error) {
        errors.push(`${name}.${group}: ${(error as Error).message}`);
      }
    }),
  );
  const undiscovered = remotes.filter((one) => !reachable.includes(one)).map((one) => `${one.group}/${one.version}`);
  return { remaining, undiscovered, errors };
}

const isDeletable = ({ name, namespaced, verbs }: RemoteResource): boolean =>
  namespaced === true &&
  !name.includes("/") &&
  ["deletecollection", "list"].every((verb) => (verbs as readonly string[] | undefined)?.includes(verb));
