// Counters of the API server under upstream's names, in the Prometheus text format.
import type { Store } from "../../store/store.ts";

/** One metric with its samples; `labels` are written in the order given. */
export interface MetricFamily {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number }[];
}

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
  requestStarted(): void;
  requestDone(labels: RequestLabels, code: number, seconds: number): void;
  /** Adds families that are collected at every scrape, for components that count for themselves. */
  addSource(source: () => readonly MetricFamily[]): void;
  render(): string;
}

const escapeLabel = (text: string) => text.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));

export function renderFamily({ name, type, help, samples }: MetricFamily): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
  for (const { labels, value } of samples) {
    const pairs = Object.entries(labels ?? {}).map(([key, text]) => `${key}="${escapeLabel(text)}"`);
    lines.push(`${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}

interface Counted {
  readonly labels: RequestLabels & { readonly code: string };
  count: number;
  seconds: number;
}

/** Label values come from the kinds that exist and from HTTP, so the number of series is bounded. */
export function createMetrics(store: Store, startedAtSeconds: number): Metrics {
  const requests = new Map<string, Counted>();
  const sources: (() => readonly MetricFamily[])[] = [];
  let inflight = 0;
  const requestFamilies = (): MetricFamily[] => {
    const all = [...requests.values()];
    return [
      {
        name: "apiserver_request_total",
        type: "counter",
        help: "Requests answered, by verb, resource and HTTP code.",
        samples: all.map(({ labels, count }) => ({ labels: { ...labels }, value: count })),
      },
      {
        name: "apiserver_request_duration_seconds_sum",
        type: "counter",
        help: "Seconds until the response began, summed.",
        samples: all.map(({ labels, seconds }) => ({ labels: { ...labels }, value: seconds })),
      },
      {
        name: "apiserver_current_inflight_requests",
        type: "gauge",
        help: "Requests whose response has not begun.",
        samples: [{ value: inflight }],
      },
    ];
  };
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
      return inflight;
    },
    requestStarted: () => void inflight++,
    requestDone(labels, code, seconds) {
      inflight--;
      const key = `${labels.verb} ${labels.group}/${labels.version}/${labels.resource}/${labels.subresource} ${code}`;
      let counted = requests.get(key);
      if (!counted) requests.set(key, (counted = { labels: { ...labels, code: String(code) }, count: 0, seconds: 0 }));
      counted.count++;
      counted.seconds += seconds;
    },
    addSource: (source) => void sources.push(source),
    render: () =>
      [...requestFamilies(), ...storageFamilies(), ...processFamilies(), ...sources.flatMap((source) => source())]
        .map(renderFamily)
        .join(""),
  };
}
