// Counters of the API server under upstream's names, in the Prometheus text format.
import type { MetricFamily, MetricSource, Sample } from "../../machinery/metrics.ts";
import type { Store } from "../../store/store.ts";

export interface RequestLabels {
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
}

/** What is counted of the requests that share their labels. */
export interface RequestSeries {
  readonly labels: RequestLabels;
  /** Requests answered, by HTTP code. */
  readonly codes: Map<number, number>;
  /** Requests per latency bucket, not yet summed up; the last one has no bound. */
  readonly buckets: number[];
  seconds: number;
  /** Watches that are open; undefined before the first one. */
  watches?: number;
}

export interface Metrics {
  /** Requests whose response has not begun. */
  readonly inflight: number;
  /** The series of these labels, always the same one. Callers see to it that labels are bounded in number. */
  series(labels: RequestLabels): RequestSeries;
  requestStarted(mutating: boolean): void;
  requestDone(series: RequestSeries, code: number, seconds: number, mutating: boolean): void;
  /** Counts a watch until the returned function is called. */
  watchStarted(series: RequestSeries): () => void;
  /** Adds families that are collected at every scrape, for components that count for themselves. */
  addSource(source: MetricSource): void;
  render(): string;
}

const escapeLabel = (text: string) => text.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));

function renderFamily({ name, type, help, samples }: MetricFamily): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  for (const { labels, value, suffix = "" } of samples) {
    const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    lines.push(`${name}${suffix}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

/** Upper bounds of the latency histogram in seconds, as upstream has them. */
const bounds = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
] as const;

function latencySamples({ labels, buckets, seconds }: RequestSeries): Sample[] {
  let sum = 0;
  const steps = buckets.map((count, i) => {
    sum += count;
    return { suffix: "_bucket", labels: { ...labels, le: String(bounds[i] ?? "+Inf") }, value: sum };
  });
  const own = { ...labels };
  return [...steps, { suffix: "_sum", labels: own, value: seconds }, { suffix: "_count", labels: own, value: sum }];
}

function bucketOf(seconds: number): number {
  let slot = 0;
  while (slot < bounds.length && seconds > bounds[slot]!) slot++;
  return slot;
}

export function createMetrics(store: Store, startedAtSeconds: number): Metrics {
  const series = new Map<string, RequestSeries>();
  const sources: MetricSource[] = [];
  const inflight = { mutating: 0, readOnly: 0 };
  const answered = () => [...series.values()].filter(({ codes }) => codes.size > 0);
  const requestFamilies = (): MetricFamily[] => [
    {
      name: "apiserver_request_total",
      type: "counter",
      help: "Requests answered, by verb, resource and HTTP code.",
      samples: answered().flatMap(({ labels, codes }) =>
        [...codes].map(([code, value]) => ({ labels: { ...labels, code: String(code) }, value })),
      ),
    },
    {
      name: "apiserver_request_duration_seconds",
      type: "histogram",
      help: "Seconds until the response began.",
      samples: answered().flatMap(latencySamples),
    },
    {
      name: "apiserver_current_inflight_requests",
      type: "gauge",
      help: "Requests whose response has not begun.",
      samples: Object.entries(inflight).map(([kind, value]) => ({ labels: { request_kind: kind }, value })),
    },
    {
      name: "apiserver_longrunning_requests",
      type: "gauge",
      help: "Watches that are open.",
      samples: [...series.values()].flatMap(({ labels, watches: value }) =>
        value === undefined ? [] : { labels: { ...labels }, value },
      ),
    },
  ];
  const storageFamilies = (): MetricFamily[] => [
    {
      name: "apiserver_storage_objects",
      type: "gauge",
      help: "Objects in the store, by resource.",
      samples: store.collections().map((collection) => {
        const [group = "", plural = ""] = collection.split("/");
        const resource = group ? `${plural}.${group}` : plural;
        return { labels: { resource }, value: store.list(collection).entries.length };
      }),
    },
    {
      name: "apiserver_storage_size_bytes",
      type: "gauge",
      help: "Bytes of the store on disk.",
      samples: [{ value: store.stats().fileBytes }],
    },
  ];
  const processFamilies = (): MetricFamily[] => {
    const { user, system } = process.cpuUsage();
    const gauge = (name: string, help: string, value: number): MetricFamily => ({
      name,
      type: "gauge",
      help,
      samples: [{ value }],
    });
    return [
      {
        name: "process_cpu_seconds_total",
        type: "counter",
        help: "CPU time of the process.",
        samples: [{ value: (user + system) / 1e6 }],
      },
      gauge("process_resident_memory_bytes", "Resident memory of the process.", process.memoryUsage.rss()),
      gauge("process_start_time_seconds", "Start of the process since the epoch.", startedAtSeconds),
    ];
  };
  return {
    get inflight() {
      return inflight.mutating + inflight.readOnly;
    },
    requestStarted: (mutating) => void inflight[mutating ? "mutating" : "readOnly"]++,
    series(labels) {
      const { verb, group, version, resource, subresource } = labels;
      const key = `${verb} ${group}/${version}/${resource}/${subresource}`;
      let known = series.get(key);
      if (!known) {
        const buckets = Array.from({ length: bounds.length + 1 }, () => 0);
        series.set(key, (known = { labels, codes: new Map(), buckets, seconds: 0 }));
      }
      return known;
    },
    requestDone(of, code, seconds, mutating) {
      inflight[mutating ? "mutating" : "readOnly"]--;
      of.codes.set(code, (of.codes.get(code) ?? 0) + 1);
      of.seconds += seconds;
      of.buckets[bucketOf(seconds)]!++;
    },
    watchStarted(of) {
      of.watches = (of.watches ?? 0) + 1;
      return () => void of.watches!--;
    },
    addSource: (source) => void sources.push(source),
    render: () =>
      [...requestFamilies(), ...storageFamilies(), ...processFamilies(), ...sources.flatMap((source) => source())]
        .map(renderFamily)
        .join(""),
  };
}
