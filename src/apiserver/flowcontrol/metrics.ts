// apiserver_flowcontrol_* under upstream's names.
import type { MetricFamily, Sample } from "../../machinery/metrics.ts";
import type { Level } from "./dispatcher.ts";
import { waitBounds, type Tally, type Waits } from "./tally.ts";

const prefix = "apiserver_flowcontrol_";
const labelsOf = ({ level, schema }: Tally) => ({ priority_level: level, flow_schema: schema });

export function flowMetrics(running: Iterable<Level>, counted: Iterable<Tally>): MetricFamily[] {
  const levels = [...running];
  const tallies = [...counted];
  const perSchema = (name: string, type: "gauge" | "counter", help: string, value: (tally: Tally) => number) => ({
    name: prefix + name,
    type,
    help,
    samples: tallies.map((tally) => ({ labels: labelsOf(tally), value: value(tally) })),
  });
  const perLevel = (name: string, help: string, value: (level: Level) => number): MetricFamily => ({
    name: prefix + name,
    type: "gauge",
    help,
    samples: levels.map((level) => ({ labels: { priority_level: level.settings.name }, value: value(level) })),
  });
  return [
    perSchema("current_inqueue_requests", "gauge", "Requests that wait for their turn.", ({ waiting }) => waiting),
    perSchema("current_executing_requests", "gauge", "Requests that run.", ({ executing }) => executing),
    perSchema("dispatched_requests_total", "counter", "Requests that were let run.", ({ dispatched }) => dispatched),
    {
      name: `${prefix}rejected_requests_total`,
      type: "counter",
      help: "Requests that were refused, by reason.",
      samples: tallies.flatMap((tally) =>
        [...tally.refused].map(([reason, value]) => ({ labels: { ...labelsOf(tally), reason }, value })),
      ),
    },
    {
      name: `${prefix}request_wait_duration_seconds`,
      type: "histogram",
      help: "Seconds that requests waited, by whether they ran in the end.",
      samples: tallies.flatMap((tally) => [
        ...waitSamples({ ...labelsOf(tally), execute: "true" }, tally.served),
        ...waitSamples({ ...labelsOf(tally), execute: "false" }, tally.given),
      ]),
    },
    perLevel("current_executing_seats", "Seats taken.", ({ set }) => set.seatsInUse),
    perLevel("current_inqueue_seats", "Seats that waiting requests will take.", ({ set }) => set.seatsWaiting),
    perLevel("nominal_limit_seats", "Seats by the level's share.", ({ settings }) => settings.bounds.nominal),
    perLevel("lower_limit_seats", "Seats that are never lent.", ({ settings }) => settings.bounds.least),
    perLevel("upper_limit_seats", "Seats with all that may be borrowed.", ({ settings }) => settings.bounds.most),
    perLevel("current_limit_seats", "Seats now, after lending and borrowing.", ({ set, settings }) =>
      settings.isExempt ? settings.bounds.nominal : set.limits.seats,
    ),
    perLevel(
      "demand_seats_high_watermark",
      "Most seats wanted since the last adjustment.",
      (level) => level.demand.high,
    ),
    perLevel("demand_seats_smoothed", "The same, falling slowly from earlier peaks.", (level) => level.demand.smooth),
  ];
}

function waitSamples(labels: Record<string, string>, { buckets, seconds }: Waits): Sample[] {
  let sum = 0;
  const steps = buckets.map((count, i) => {
    sum += count;
    return { suffix: "_bucket", labels: { ...labels, le: String(waitBounds[i] ?? "+Inf") }, value: sum };
  });
  if (sum === 0) return [];
  return [...steps, { suffix: "_sum", labels, value: seconds }, { suffix: "_count", labels, value: sum }];
}
