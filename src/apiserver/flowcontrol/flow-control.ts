// Priority and fairness: follows the FlowSchemas and PriorityLevelConfigurations in the store, says where each request
// belongs and when it may run. Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/server/filters/priority-and-fairness.go.
import { FlowSchema } from "../../kinds/flowcontrol/flow-schema.ts";
import type { PolicyRulesWithSubjects } from "../../kinds/generated/flowcontrol.v1.ts";
import { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import { collectionOf } from "../../kinds/kind.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { MetricSource } from "../../machinery/metrics.ts";
import type { KubeObject } from "../../machinery/object.ts";
import type { Store } from "../../store/store.ts";
import type { EdgeRequest } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { UserInfo } from "../types.ts";
import { bootstrapLevels, bootstrapSchemas } from "./bootstrap-objects.ts";
import { byPrecedence, distinguisherOf, rulesFor, rulesMatch } from "./classify.ts";
import { Dispatcher, type Loop, type Ticket } from "./dispatcher.ts";
import { dump } from "./dump.ts";
import { flowMetrics } from "./metrics.ts";
import { seatBounds } from "./seats.ts";
import { newTally, type Tally } from "./tally.ts";
import { widthOf } from "./width.ts";

/** Where a request belongs. */
export interface FlowPlace {
  readonly schema: FlowSchema;
  readonly level: PriorityLevelConfiguration;
  /** Names both to the client. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tally: Tally;
}

export interface FlowDetails {
  readonly user: UserInfo;
  readonly info: RequestInfo;
  readonly request: EdgeRequest;
}

export interface FlowControl {
  place(user: UserInfo, info: RequestInfo): FlowPlace;
  /** `deadline` is in milliseconds of `performance.now()`. Throws, or rejects, with TooManyRequests. */
  admit(place: FlowPlace, details: FlowDetails, deadline: number): Ticket | Promise<Ticket>;
  /** The text of `/debug/api_priority_and_fairness/NAME`; undefined when there is none. */
  dump(name: string, withDetails: boolean): string | undefined;
  readonly metrics: MetricSource;
}

const longRunningSubresources: ReadonlySet<string> = new Set(["attach", "exec", "proxy", "log", "portforward"]);

/** Requests that last as long as the client likes: they have no time limit and, but for the start of a watch, no seats. */
export const isLongRunning = (info: RequestInfo): boolean =>
  info.type === "resource"
    ? info.verb === "watch" || info.verb === "proxy" || longRunningSubresources.has(info.subresource)
    : info.path.startsWith("/debug/pprof/");

interface Row {
  readonly schema: FlowSchema;
  readonly place: FlowPlace;
}

/** What of a schema concerns one user. */
interface UserRow {
  readonly place: FlowPlace;
  readonly rules: readonly PolicyRulesWithSubjects[];
}

const rowsFor = (rows: readonly Row[], user: UserInfo): readonly UserRow[] =>
  rows.map(({ schema, place }) => ({ place, rules: rulesFor(schema, user) })).filter(({ rules }) => rules.length > 0);

export interface FlowControlOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly loop: Loop;
  /** Requests that limited levels may run at once, all together. */
  readonly seats: number;
}

export function createFlowControl({ store, clock, loop, seats }: FlowControlOptions): FlowControl {
  const dispatcher = new Dispatcher({ loop, clock, seats });
  const tallies = new Map<string, Tally>();
  let rows: readonly Row[] = [];
  let named = new WeakMap<UserInfo, readonly UserRow[]>();
  const configure = () => {
    const levels = present<PriorityLevelConfiguration>(
      store,
      collectionOf(PriorityLevelConfiguration),
      bootstrapLevels,
    );
    const bounds = seatBounds(levels, seats);
    dispatcher.configure(
      levels.map(({ metadata, spec }, i) => {
        const queuing = queuingOf(spec);
        return {
          name: metadata.name,
          isExempt: spec?.type === "Exempt",
          bounds: bounds[i]!,
          ...(queuing ? { queuing } : {}),
        };
      }),
    );
    rows = compile(levels, present<FlowSchema>(store, collectionOf(FlowSchema), bootstrapSchemas), tallies);
    named = new WeakMap();
  };
  configure();
  for (const kind of [FlowSchema, PriorityLevelConfiguration] as const) {
    store.watch({ collection: collectionOf(kind), after: store.revision }, configure);
  }
  return {
    place(user, info) {
      let own = named.get(user);
      if (!own) named.set(user, (own = rowsFor(rows, user)));
      for (const { rules, place } of own) if (rulesMatch(rules, info)) return place;
      return rows.at(-1)!.place;
    },
    admit(place, details, deadline) {
      const { schema, level, tally } = place;
      const { user, info, request } = details;
      return dispatcher.admit({
        level: level.metadata.name,
        flow: `${schema.metadata.name}\0${distinguisherOf(schema, user, info)}`,
        width: level.spec?.type === "Exempt" ? 1 : widthOf(store, info, request, seats),
        tally,
        details,
        client: request,
        deadline,
      });
    },
    dump: (name, withDetails) => dump(dispatcher, [...tallies.values()], name, withDetails),
    metrics: () => flowMetrics(dispatcher.levels, tallies.values()),
  };
}

/** The objects of a kind, and the built-in ones that are missing: a request always finds its place. */
function present<T extends KubeObject>(store: Store, collection: string, builtin: readonly unknown[]): T[] {
  const found = store.list(collection).entries.map(({ object }) => object as T);
  const names = new Set(found.map(({ metadata }) => metadata.name));
  return [...found, ...(builtin.slice(0, 2) as T[]).filter(({ metadata }) => !names.has(metadata.name))];
}

function queuingOf(spec: PriorityLevelConfiguration["spec"]) {
  const response = spec?.limited?.limitResponse;
  if (response?.type !== "Queue") return undefined;
  const { queues = 64, handSize = 8, queueLengthLimit = 50 } = response.queuing ?? {};
  return { queues, handSize, queueLengthLimit };
}

/** Schemas that name an existing level, in the order in which they are tried. */
function compile(
  levels: readonly PriorityLevelConfiguration[],
  schemas: readonly FlowSchema[],
  tallies: Map<string, Tally>,
): readonly Row[] {
  const byName = new Map(levels.map((level) => [level.metadata.name, level]));
  const used = new Set<string>();
  const rows = schemas.toSorted(byPrecedence).flatMap((schema): Row[] => {
    const level = byName.get(schema.spec?.priorityLevelConfiguration?.name ?? "");
    if (!level) return [];
    const key = `${level.metadata.name}/${schema.metadata.name}`;
    const tally = tallies.get(key) ?? newTally(level.metadata.name, schema.metadata.name);
    tallies.set(key, tally);
    used.add(key);
    const headers = {
      "x-kubernetes-pf-flowschema-uid": schema.metadata.uid ?? "",
      "x-kubernetes-pf-prioritylevel-uid": level.metadata.uid ?? "",
    };
    return [{ schema, place: { schema, level, headers, tally } }];
  });
  for (const key of tallies.keys()) if (!used.has(key)) tallies.delete(key);
  return rows;
}
