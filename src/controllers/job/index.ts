// The Job controller: what it watches and looks at; decide.ts decides.
import { Job, Pod } from "../../kinds/index.ts";
import { claim, controlledBy, ownershipIndexes, ownsSelected } from "../common/ownership.ts";
import { defineController } from "../framework/controller.ts";
import { decideJob, type JobObserved } from "./decide.ts";
import { isTracked, untrack } from "./pods.ts";

export const job = defineController<JobObserved>({
  name: "job-controller",
  primary: Job,
  watches: ownsSelected(Job, Pod, ({ spec }) => spec?.selector),
  indexes: ownershipIndexes(Pod),
  observe(key, caches) {
    const found = caches.of(Job).get(key);
    if (!found?.spec) return undefined;
    const { selector } = found.spec;
    return { job: found, claim: claim(caches, { owner: found, ownerKind: Job, kind: Pod, selector }) };
  },
  decide: decideJob,
});

/** Pods whose Job is gone: nobody counts them any more, so nothing may hold them. */
export const orphanedJobPods = defineController<Pod>({
  name: "job-tracking-controller",
  primary: Pod,
  watches: [
    {
      kind: Job,
      keys: (gone: Job, caches) =>
        caches.of(Job).get(`${gone.metadata.namespace}/${gone.metadata.name}`)
          ? []
          : controlledBy(caches, Pod, gone.metadata.uid).map(
              ({ metadata }) => `${metadata.namespace}/${metadata.name}`,
            ),
    },
  ],
  indexes: ownershipIndexes(Pod),
  observe(key, caches) {
    const pod = caches.of(Pod).get(key);
    if (!pod || !isTracked(pod)) return undefined;
    const owner = pod.metadata.ownerReferences?.find(({ controller, kind }) => controller && kind === Job.kind);
    const known = owner && caches.of(Job).get(`${pod.metadata.namespace}/${owner.name}`);
    return known && known.metadata.uid === owner.uid ? undefined : pod;
  },
  decide: (pod) => ({ actions: [untrack(pod)] }),
});
