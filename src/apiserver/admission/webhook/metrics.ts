// Counts of calls to admission webhooks, under upstream's names.
// Follows kubernetes v1.36 apiserver/pkg/admission/metrics/metrics.go.
import type { MetricFamily, MetricSource, Sample } from "../../../machinery/metrics.ts";
import type { HookType } from "./review.ts";

type ErrorType = "calling_webhook_error" | "apiserver_internal_error" | "no_error";

export interface CallLabels {
  readonly name: string;
  readonly type: HookType;
  readonly operation: string;
}

export interface WebhookMetrics {
  called(labels: CallLabels, seconds: number, rejected: boolean): void;
  rejected(labels: CallLabels, errorType: ErrorType, code: number): void;
  failedOpen(labels: CallLabels): void;
  readonly source: MetricSource;
}

/** Upper bounds of the histogram in seconds. */
const bounds = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
/** Names of webhooks come and go: beyond so many series the oldest are forgotten. */
const maxSeries = 2000;

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  count: number;
  seconds: number;
  /** Calls up to each bound. */
  readonly within: number[];
}

export function createWebhookMetrics(): WebhookMetrics {
  const [durations, rejections, openings] = [1, 2, 3].map(() => new Map<string, Series>()) as [Table, Table, Table];
  return {
    called(labels, seconds, rejected) {
      const series = seriesOf(durations, { ...labels, rejected: String(rejected) });
      series.count++;
      series.seconds += seconds;
      bounds.forEach((bound, i) => void (seconds <= bound && series.within[i]!++));
    },
    rejected(labels, errorType, code) {
      // Codes of webhooks are theirs to choose.
      const rejection_code = String(code > 600 ? 600 : code);
      seriesOf(rejections, { ...labels, error_type: errorType, rejection_code }).count++;
    },
    failedOpen: ({ name, type }) => void seriesOf(openings, { name, type }).count++,
    source: () => [
      {
        name: "apiserver_admission_webhook_admission_duration_seconds",
        type: "histogram",
        help: "Seconds that admission webhooks took, by name, type, operation and whether they rejected.",
        samples: [...durations.values()].flatMap(histogram),
      },
      counter("apiserver_admission_webhook_rejection_count", "Requests that webhooks rejected.", rejections),
      counter("apiserver_admission_webhook_fail_open_count", "Failed calls that were ignored.", openings),
    ],
  };
}

type Table = Map<string, Series>;

function seriesOf(table: Table, labels: Series["labels"]): Series {
  const key = Object.values(labels).join(" ");
  let series = table.get(key);
  if (!series) {
    if (table.size >= maxSeries) table.delete(table.keys().next().value!);
    table.set(key, (series = { labels, count: 0, seconds: 0, within: bounds.map(() => 0) }));
  }
  return series;
}

const histogram = ({ labels, count, seconds, within }: Series): Sample[] => [
  ...within.map((value, i) => ({ suffix: "_bucket", labels: { ...labels, le: String(bounds[i]) }, value })),
  { suffix: "_bucket", labels: { ...labels, le: "+Inf" }, value: count },
  { suffix: "_sum", labels, value: seconds },
  { suffix: "_count", labels, value: count },
];

const counter = (name: string, help: string, table: Table): MetricFamily => ({
  name,
  type: "counter",
  help,
  samples: [...table.values()].map(({ labels, count }) => ({ labels, value: count })),
});
