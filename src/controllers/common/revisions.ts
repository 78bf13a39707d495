// ControllerRevisions: the history of templates of StatefulSets and DaemonSets, in the form that `kubectl rollout` reads.
// Follows kubernetes v1.36 pkg/controller/history/controller_history.go and statefulset/daemon getPatch.
import type { PodTemplateSpec } from "../../kinds/generated/core.v1.ts";
import { ControllerRevision } from "../../kinds/index.ts";
import { semanticEqual } from "../../machinery/equal.ts";
import { isReason } from "../../machinery/errors.ts";
import { stableHash, stableJson } from "../../machinery/hash.ts";
import { controllerReference, type KubeObject, type NewObject } from "../../machinery/object.ts";
import type { Action } from "../framework/controller.ts";

export const revisionLabel = "controller-revision-hash";
const hashLabel = "controller.kubernetes.io/hash";

/** The template that a revision holds. */
export function templateOf(revision: ControllerRevision): PodTemplateSpec {
  const { $patch: _, ...template } = (revision.data as { spec: { template: PodTemplateSpec & { $patch?: string } } })
    .spec.template;
  return template;
}

export interface RevisionSearch {
  readonly owner: KubeObject;
  readonly template: PodTemplateSpec;
  readonly revisions: readonly ControllerRevision[];
  readonly collisionCount: number | undefined;
  /** The write that counts a collision of names in the owner's status. */
  readonly countCollision: (collisionCount: number) => readonly Action[];
}

export interface FoundRevision {
  /** The newest revision with the template; absent when it has to be made first. */
  readonly revision: ControllerRevision | undefined;
  /** What makes the revision, or makes it the newest. Decide again after these. */
  readonly changes: readonly Action[];
}

const oldestFirst = (revisions: readonly ControllerRevision[]) =>
  [...revisions].sort((a, b) => a.revision - b.revision);

export function findRevision(search: RevisionSearch): FoundRevision {
  const ordered = oldestFirst(search.revisions);
  const latest = ordered.at(-1);
  const found = ordered.findLast((revision) => semanticEqual(templateOf(revision), search.template));
  if (!found) return { revision: undefined, changes: [creation(search, (latest?.revision ?? 0) + 1)] };
  if (found === latest) return { revision: found, changes: [] };
  const object = { ...found, revision: latest!.revision + 1 };
  return { revision: found, changes: [{ type: "update", kind: ControllerRevision, object }] };
}

function creation({ owner, template, collisionCount, countCollision }: RevisionSearch, revision: number): Action {
  const hash = stableHash(template, collisionCount);
  const object: NewObject<ControllerRevision> = {
    apiVersion: "apps/v1",
    kind: "ControllerRevision",
    metadata: {
      name: `${owner.metadata.name}-${hash}`,
      namespace: owner.metadata.namespace!,
      labels: { ...template.metadata?.labels, [hashLabel]: hash, [revisionLabel]: hash },
      ...(owner.metadata.annotations ? { annotations: owner.metadata.annotations } : {}),
      ownerReferences: [controllerReference(owner)],
    },
    // Clients compare the bytes with those of a template of their own, whose keys Go sorts.
    data: JSON.parse(stableJson({ spec: { template: { ...template, $patch: "replace" } } })) as object,
    revision,
  };
  return {
    type: "create",
    kind: ControllerRevision,
    object,
    onError: (error) => (isReason(error, "AlreadyExists") ? countCollision((collisionCount ?? 0) + 1) : []),
  };
}

/** Deletes the oldest revisions beyond the limit that nothing is made of any more. */
export function truncateHistory(
  revisions: readonly ControllerRevision[],
  inUse: (revision: ControllerRevision) => boolean,
  limit: number,
): Action[] {
  const spare = oldestFirst(revisions).filter((revision) => !inUse(revision));
  return spare
    .slice(0, Math.max(0, spare.length - limit))
    .map((object) => ({ type: "delete", kind: ControllerRevision, object }));
}
