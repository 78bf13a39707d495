// /debug/api_priority_and_fairness: what runs and waits now, as tables. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/util/flowcontrol/apf_controller_debug.go (columns).
import { formatTime } from "../../machinery/clock.ts";
import type { Dispatcher, Level } from "./dispatcher.ts";
import type { FlowDetails } from "./flow-control.ts";
import type { Tally } from "./tally.ts";

type Row = readonly (string | number | boolean)[];

/** Undefined when there is no such table. */
export function dump(
  dispatcher: Dispatcher,
  tallies: readonly Tally[],
  name: string,
  withDetails: boolean,
): string | undefined {
  if (name === "dump_priority_levels") {
    return table(
      levelHead,
      [...dispatcher.levels].map((level) => levelRow(level, tallies)),
    );
  }
  if (name === "dump_queues") return table(queueHead, [...dispatcher.levels].flatMap(queueRows));
  if (name !== "dump_requests") return undefined;
  return table(withDetails ? [...requestHead, ...detailHead] : requestHead, requestRows(dispatcher, withDetails));
}

const table = (head: Row, rows: readonly Row[]): string => [head, ...rows].map((row) => `${row.join(", ")}\n`).join("");

const levelHead = [
  "PriorityLevelName",
  "ActiveQueues",
  "IsIdle",
  "IsQuiescing",
  "WaitingRequests",
  "ExecutingRequests",
  "DispatchedRequests",
  "RejectedRequests",
  "TimedoutRequests",
  "CancelledRequests",
];

function levelRow({ settings: { name }, set, isQuiescing }: Level, tallies: readonly Tally[]): Row {
  const active = [...set.queues].filter(({ waiting, executing }) => waiting.length + executing > 0).length;
  const own = tallies.filter(({ level }) => level === name);
  const sum = (count: (tally: Tally) => number) => own.reduce((total, tally) => total + count(tally), 0);
  const refused = (...reasons: string[]) =>
    sum((tally) => reasons.reduce((total, reason) => total + (tally.refused.get(reason) ?? 0), 0));
  return [
    name,
    active,
    set.waiting + set.executing === 0,
    isQuiescing,
    set.waiting,
    set.executing,
    sum(({ dispatched }) => dispatched),
    refused("queue-full", "concurrency-limit"),
    refused("time-out"),
    refused("cancelled"),
  ];
}

const queueHead = [
  "PriorityLevelName",
  "Index",
  "PendingRequests",
  "ExecutingRequests",
  "SeatsInUse",
  "NextDispatchR",
  "InitialSeatsSum",
];

const queueRows = ({ settings, set }: Level): Row[] =>
  [...set.queues].map(({ index, waiting, executing, seatsInUse, next, seatsWaiting }) => [
    settings.name,
    index,
    waiting.length,
    executing,
    seatsInUse,
    next.toFixed(6),
    seatsWaiting,
  ]);

const requestHead = [
  "PriorityLevelName",
  "FlowSchemaName",
  "QueueIndex",
  "RequestIndexInQueue",
  "FlowDistingsher",
  "ArriveTime",
  "InitialSeats",
  "Executing",
];
const detailHead = ["UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource"];

function requestRows(dispatcher: Dispatcher, withDetails: boolean): Row[] {
  return [...dispatcher.requests()].map(({ request, call }) => [
    call.level,
    call.tally.schema,
    request.queue.index,
    request.queue.waiting.indexOf(request),
    request.flow.split("\0")[1] ?? "",
    formatTime(performance.timeOrigin + request.arrivedAt),
    request.width,
    request.startedAt !== undefined,
    ...(withDetails ? detailsOf(call.details as FlowDetails) : []),
  ]);
}

function detailsOf({ user, info, request }: FlowDetails): Row {
  if (info.type !== "resource") return [user.name, info.verb, request.path, "", "", "", "", ""];
  const { verb, namespace, name, group, version, resource, subresource } = info;
  return [
    user.name,
    verb,
    request.path,
    namespace,
    name,
    group ? `${group}/${version}` : version,
    resource,
    subresource,
  ];
}
