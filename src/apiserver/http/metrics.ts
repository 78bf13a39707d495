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

export interface Metrics {
  /** Requests whose response has not begun. */
  readonly inflight: number;
  requestStarted(mutating: boolean): void;
  requestDone(labels: RequestLabels, code: number, seconds: number, mutating: boolean): void;
  /** Counts a watch until the returned function is called. */
  watchStarted(labels: RequestLabels): () => void;
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

interface Latency {
  readonly labels: RequestLabels;
  /** Requests per bucket, not yet summed up; the last one has no bound. */
  readonly buckets: number[];
  seconds: number;
}

interface Counted<L> {
  readonly labels: L;
  count: number;
}

function latencySamples({ labels, buckets, seconds }: Latency): Sample[] {
  let sum = 0;
  const steps = buckets.map((count, i) => {
    sum += count;
    return { suffix: "_bucket", labels: { ...labels, le: String(bounds[i] ?? "+Inf") }, value: sum };
  });
  const own = { ...labels };
  return [...steps, { suffix: "_sum", labels: own, value: seconds }, { suffix: "_count", labels: own, value: sum }];
}

const keyOf = ({ verb, group, version, resource, subresource }: RequestLabels) =>
  `${verb} ${group}/${version}/${resource}/${subresource}`;

/** The value under the key, made when it is not there. */
function upsert<V>(map: Map<string, V>, key: string, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) map.set(key, (value = make()));
  return value;
}

/** Label values come from the kinds that exist and from HTTP, so the number of series is bounded. */
export function createMetrics(store: Store, startedAtSeconds: number): Metrics {
  const requests = new Map<string, Counted<RequestLabels & { readonly code: string }>>();
  const latencies = new Map<string, Latency>();
  const watches = new Map<string, Counted<RequestLabels>>();
  const sources: MetricSource[] = [];
  const inflight = { mutating: 0, readOnly: 0 };
  const requestFamilies = (): MetricFamily[] => [
    {
      name: "apiserver_request_total",
      type: "counter",
      help: "Requests answered, by verb, resource and HTTP code.",
      samples: [...requests.values()].map(({ labels, count }) => ({ labels: { ...labels }, value: count })),
    },
    {
      name: "apiserver_request_duration_seconds",
      type: "histogram",
      help: "Seconds until the response began.",
      samples: [...latencies.values()].flatMap(latencySamples),
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
      samples: [...watches.values()].map(({ labels, count }) => ({ labels: { ...labels }, value: count })),
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
    requestDone(labels, code, seconds, mutating) {
      inflight[mutating ? "mutating" : "readOnly"]--;
      const key = keyOf(labels);
      upsert(requests, `${key} ${code}`, () => ({ labels: { ...labels, code: String(code) }, count: 0 })).count++;
      const buckets = () => Array.from({ length: bounds.length + 1 }, () => 0);
      const latency = upsert(latencies, key, () => ({ labels, buckets: buckets(), seconds: 0 }));
      latency.seconds += seconds;
      const slot = bounds.findIndex((bound) => seconds <= bound);
      latency.buckets[slot < 0 ? bounds.length : slot]!++;
    },
    watchStarted(labels) {
      const watch = upsert(watches, keyOf(labels), () => ({ labels, count: 0 }));
      watch.count++;
      return () => void watch.count--;
    },
    addSource: (source) => void sources.push(source),
    render: () =>
      [...requestFamilies(), ...storageFamilies(), ...processFamilies(), ...sources.flatMap((source) => source())]
        .map(renderFamily)
        .join(""),
  };
}
