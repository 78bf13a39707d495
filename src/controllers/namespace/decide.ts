// How a namespace goes: its contents first (pods before everything else), then its finalizer; conditions say what is left.
// Follows kubernetes v1.36 pkg/controller/namespace/deletion (order, conditions and their texts).
import type { NamespaceCondition } from "../../kinds/generated/core.v1.ts";
import type { Namespace } from "../../kinds/index.ts";
import type { AnyKind } from "../../kinds/registry.ts";
import type { KubeObject } from "../../machinery/object.ts";
import { withCondition } from "../common/status.ts";

/** What a namespace holds of one kind. */
export interface Content {
  readonly kind: AnyKind;
  readonly objects: readonly KubeObject[];
}

export const namespaceFinalizer = "kubernetes";

/** Whether the namespace waits for this controller. */
export const isLeaving = ({ metadata, spec }: Namespace): boolean =>
  metadata.deletionTimestamp !== undefined && (spec?.finalizers ?? []).includes(namespaceFinalizer);

/** The objects to delete now. While pods run, what they may depend on stays. */
export function nextDeletions(contents: readonly Content[]): readonly Content[] {
  const pods = contents.filter(({ kind }) => kind.group === "" && kind.kind === "Pod");
  const first = pods.some(({ objects }) => objects.length > 0) ? pods : contents;
  return first
    .map(({ kind, objects }) => ({
      kind,
      objects: objects.filter(({ metadata }) => metadata.deletionTimestamp === undefined),
    }))
    .filter(({ objects }) => objects.length > 0);
}

const resourceName = ({ group, plural }: AnyKind) => (group ? `${plural}.${group}` : plural);

/** What other API servers keep in the namespace after they were asked to delete it. */
export interface ContentElsewhere {
  /** `plural.group` → number of objects. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Group versions that cannot be asked now. */
  readonly undiscovered: readonly string[];
  readonly errors: readonly string[];
}

/** Conditions while contents are left (or none, for the last word). `failures` are those of this round's deletions. */
export function namespaceConditions(
  namespace: Namespace,
  contents: readonly Content[],
  elsewhere: ContentElsewhere,
  failures: readonly string[],
  now: number,
): NamespaceCondition[] {
  const errors = [...failures, ...elsewhere.errors];
  const { undiscovered } = elsewhere;
  const remaining = contents.filter(({ objects }) => objects.length > 0);
  const counts = remaining.map(({ kind, objects }) => `${resourceName(kind)} has ${objects.length} resource instances`);
  for (const [resource, count] of elsewhere.remaining) counts.push(`${resource} has ${count} resource instances`);
  const held = new Map<string, number>();
  for (const { metadata } of remaining.flatMap(({ objects }) => objects)) {
    for (const finalizer of metadata.finalizers ?? []) held.set(finalizer, (held.get(finalizer) ?? 0) + 1);
  }
  const holders = [...held].map(([finalizer, count]) => `${finalizer} in ${count} resource instances`).sort();
  const rows: [type: string, bad: boolean, reasons: [bad: string, good: string], texts: [bad: string, good: string]][] =
    [
      [
        "NamespaceDeletionDiscoveryFailure",
        undiscovered.length > 0,
        ["DiscoveryFailed", "ResourcesDiscovered"],
        [
          `Discovery failed for some groups, ${undiscovered.length} failing: unable to retrieve the complete list of server APIs: ${undiscovered.map((name) => `${name}: stale GroupVersion discovery: ${name}`).join(", ")}`,
          "All resources successfully discovered",
        ],
      ],
      [
        "NamespaceDeletionGroupVersionParsingFailure",
        false,
        ["GroupVersionParsingFailed", "ParsedGroupVersions"],
        ["", "All legacy kube types successfully parsed"],
      ],
      [
        "NamespaceDeletionContentFailure",
        errors.length > 0,
        ["ContentDeletionFailed", "ContentDeleted"],
        [
          `Failed to delete all resource types, ${errors.length} remaining: ${errors.join(", ")}`,
          "All content successfully deleted, may be waiting on finalization",
        ],
      ],
      [
        "NamespaceContentRemaining",
        counts.length > 0,
        ["SomeResourcesRemain", "ContentRemoved"],
        [`Some resources are remaining: ${counts.sort().join(", ")}`, "All content successfully removed"],
      ],
      [
        "NamespaceFinalizersRemaining",
        holders.length > 0,
        ["SomeFinalizersRemain", "ContentHasNoFinalizers"],
        [
          `Some content in the namespace has finalizers remaining: ${holders.join(", ")}`,
          "All content-preserving finalizers finished",
        ],
      ],
    ];
  let conditions = namespace.status?.conditions ?? [];
  for (const [type, bad, [badReason, goodReason], [badText, goodText]] of rows) {
    const next = bad
      ? { type, status: "True", reason: badReason, message: badText }
      : { type, status: "False", reason: goodReason, message: goodText };
    conditions = withCondition<NamespaceCondition>(conditions, next, { now, compareMessage: true });
  }
  return conditions;
}
