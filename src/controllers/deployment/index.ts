// The Deployment controller: what it watches and looks at; decide.ts decides.
import { Deployment, Pod, ReplicaSet } from "../../kinds/index.ts";
import { controllerOf } from "../../machinery/object.ts";
import { claim, controlledBy, ownershipIndexes, ownsSelected } from "../common/ownership.ts";
import { defineController, maps } from "../framework/controller.ts";
import { decideDeployment, type DeploymentObserved } from "./decide.ts";
import { newSetName } from "./revision.ts";
import { isRolling } from "./size.ts";

/** With Recreate, the end of the last old pod is what the deployment waits for. */
const podsOfRecreated = maps(Pod, (pod, caches) => {
  const owner = controllerOf(pod);
  if (owner?.kind !== ReplicaSet.kind) return [];
  const set = caches.of(ReplicaSet).get(`${pod.metadata.namespace}/${owner.name}`);
  const deployment = set && controllerOf(set);
  if (deployment?.kind !== Deployment.kind) return [];
  const key = `${pod.metadata.namespace}/${deployment.name}`;
  const found = caches.of(Deployment).get(key);
  return found && !isRolling(found) ? [key] : [];
});

export const deployment = defineController<DeploymentObserved>({
  name: "deployment-controller",
  primary: Deployment,
  watches: [...ownsSelected(Deployment, ReplicaSet, ({ spec }) => spec?.selector), podsOfRecreated],
  indexes: [...ownershipIndexes(ReplicaSet), ...ownershipIndexes(Pod)],
  observe(key, caches) {
    const found = caches.of(Deployment).get(key);
    if (!found) return undefined;
    const owner = { owner: found, ownerKind: Deployment, kind: ReplicaSet, selector: found.spec?.selector };
    const sets = claim(caches, owner);
    const pods = isRolling(found)
      ? []
      : sets.owned.map(({ metadata }) => [metadata.uid, controlledBy(caches, Pod, metadata.uid)] as const);
    const namesake = caches.of(ReplicaSet).get(`${found.metadata.namespace}/${newSetName(found)}`);
    return { deployment: found, claim: sets, podsOf: new Map(pods), namesake };
  },
  decide: decideDeployment,
});
