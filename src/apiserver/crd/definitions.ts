// Follows the stored CustomResourceDefinitions: their kinds are in the registry before the write that changed them is answered.
import type { CustomResourceDefinition } from "../../kinds/generated/apiextensions.v1.ts";
import type { Kind } from "../../kinds/kind.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import { customKind } from "../../kinds/custom/kind.ts";
import { approvalOf } from "../../kinds/apiextensions/validation.ts";
import { formatTime, type Clock } from "../../machinery/clock.ts";
import { deepEqual } from "../../machinery/equal.ts";
import type { Logger } from "../../machinery/log.ts";
import { StoreError, type Entry, type Store } from "../../store/store.ts";
import { createCleanup, definitionsCollection, type Cleanup, type RemoveObject } from "./cleanup.ts";
import { converterOf } from "./conversion.ts";
import { judgeInThread } from "./rules-thread.ts";
import { decideNames, takenBy, withConditions, type NameDecision } from "./names.ts";

export interface DefinitionsOptions {
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** Deletes one object as a DELETE request would. */
  readonly remove: RemoveObject;
}

interface Followed {
  entry: Entry<CustomResourceDefinition>;
  decision: NameDecision;
  /** What the rows were made from; they stay as long as it does. */
  basis: string;
  rows: readonly Kind[];
}

/** Adds the kinds of what is stored at once, then follows. Lives as long as the store. */
export function followDefinitions(options: DefinitionsOptions): void {
  const { store } = options;
  const followed = new Map<string, Followed>();
  const cleanup = createCleanup(options);
  const listing = store.list(definitionsCollection);
  const initial = listing.entries as readonly Entry<CustomResourceDefinition>[];
  const state: State = { ...options, followed, cleanup };
  // Names belong to whoever came first.
  for (const entry of initial.toSorted((a, b) => a.createRevision - b.createRevision)) take(state, entry);
  store.watch({ collection: definitionsCollection, after: listing.revision }, (events) => {
    for (const { type, entry } of events) {
      if (type === "DELETED") drop(state, entry as Entry<CustomResourceDefinition>);
      else take(state, entry as Entry<CustomResourceDefinition>);
    }
  });
}

interface State extends DefinitionsOptions {
  readonly followed: Map<string, Followed>;
  readonly cleanup: Cleanup;
}

function take(state: State, entry: Entry<CustomResourceDefinition>): void {
  const definition = entry.object;
  const { name, uid, generation, deletionTimestamp } = definition.metadata;
  const known = state.followed.get(name);
  const before = known?.decision.accepted ?? acceptedBefore(definition);
  const decision = decideNames(definition, before, takenNames(state, definition));
  const basis = JSON.stringify([uid, generation, decision.accepted, decision.established, deletionTimestamp]);
  const next: Followed = { entry, decision, basis, rows: known?.rows ?? [] };
  state.followed.set(name, next);
  if (known?.basis !== basis) {
    try {
      next.rows = decision.established ? rowsOf(state, definition, decision) : [];
    } catch (error) {
      state.log.error({ error, definition: name }, "a CustomResourceDefinition cannot be served");
      next.rows = [];
    }
    replaceRows(state.kinds, known?.rows ?? [], next.rows);
  }
  void writeStatus(state, name);
  if (deletionTimestamp) state.cleanup.begin(definition, decision);
}

function drop(state: State, { object }: Entry<CustomResourceDefinition>): void {
  const known = state.followed.get(object.metadata.name);
  state.followed.delete(object.metadata.name);
  state.cleanup.end(object.metadata.name);
  replaceRows(state.kinds, known?.rows ?? [], []);
  // Names have become free: others of the group may get them now.
  for (const other of state.followed.values()) {
    if (other.entry.object.spec.group === object.spec.group) take(state, other.entry);
  }
}

/** Names that a stored definition was given; empty ones are none. */
function acceptedBefore({ status }: CustomResourceDefinition) {
  const names = status?.acceptedNames;
  return names?.plural ? names : undefined;
}

function takenNames({ followed, kinds }: State, { metadata, spec }: CustomResourceDefinition) {
  const others = [...followed.values()]
    .filter(({ entry: { object } }) => object.spec.group === spec.group && object.metadata.name !== metadata.name)
    .map(({ decision }) => decision.accepted);
  const builtIn = kinds.all().filter((kind) => kind.group === spec.group && !kind.custom);
  return takenBy([
    ...others,
    ...builtIn.map(({ plural, singular, shortNames, kind }) => ({
      plural,
      singular,
      kind,
      listKind: `${kind}List`,
      ...(shortNames ? { shortNames: [...shortNames] } : {}),
    })),
  ]);
}

function rowsOf({ store }: State, definition: CustomResourceDefinition, { accepted }: NameDecision): Kind[] {
  const converter = converterOf(definition, store);
  const terminating = definition.metadata.deletionTimestamp !== undefined;
  return definition.spec.versions
    .filter(({ served }) => served)
    .map((version) =>
      customKind({ definition, version, names: accepted, terminating, converter, judgeElsewhere: judgeInThread }),
    );
}

/** New rows stand in for old ones of the same version without a gap. */
function replaceRows(kinds: KindRegistry, before: readonly Kind[], after: readonly Kind[]): void {
  for (const old of before) if (!after.some(({ version }) => version === old.version)) kinds.remove(old);
  for (const row of after) kinds.add(row);
}

/** Says in the status what was decided; whoever writes meanwhile makes an event that comes back here. */
async function writeStatus(state: State, name: string): Promise<void> {
  const { store, clock, log, followed } = state;
  const known = followed.get(name);
  const latest = store.latest({ collection: definitionsCollection, namespace: "", name });
  if (!known || !latest || latest.revision !== known.entry.revision) return;
  const definition = latest.object as CustomResourceDefinition;
  const approval = approvalOf(definition);
  const status = {
    ...definition.status,
    acceptedNames: known.decision.accepted,
    conditions: withConditions(
      definition.status?.conditions ?? [],
      [...known.decision.conditions, ...(approval ? [approval] : []), ...state.cleanup.conditions(definition)],
      formatTime(clock.now()),
    ),
  };
  if (deepEqual(status, definition.status)) return;
  try {
    const object = { ...definition, status };
    await store.write([{ type: "update", key: latest.key, object, expectedRevision: latest.revision }]);
  } catch (error) {
    if (error instanceof StoreError && ["conflict", "notFound", "closed"].includes(error.code)) return;
    log.warn({ error, definition: name }, "the status of a CustomResourceDefinition could not be written");
  }
}
