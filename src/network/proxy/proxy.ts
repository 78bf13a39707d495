// The service proxy of one node: watches Services, EndpointSlices and this node's pods, and keeps the nftables table equal
// to what render.ts makes of them. All changes of one turn of the event loop become one transaction.
import type { Client } from "../../client/client.ts";
import { run, runOrThrow } from "../../host/run.ts";
import { EndpointSlice, Pod, Service } from "../../kinds/index.ts";
import { type Clock, repeat } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import { keyOf } from "../../machinery/object.ts";
import { forgetStaleFlows } from "./conntrack.ts";
import { emptyFragment, type Fragment } from "./fragment.ts";
import { startHealthChecks } from "./health-check.ts";
import { startLoadBalancers } from "./load-balancer.ts";
import { type RenderContext, renderPod, renderService } from "./render.ts";
import { Ruleset, type TableOptions } from "./ruleset.ts";

export interface ServiceProxyOptions extends Omit<TableOptions, "clusterCidr" | "bridgeNetfilter"> {
  readonly client: Client;
  readonly nodeName: string;
  readonly zone?: string;
  /** Range of all nodes' pods; `podCidr` when there is one node. */
  readonly clusterCidr?: string;
  /** From `ensurePodNetwork`; true when absent. */
  readonly bridgeNetfilter?: boolean;
  /** Addresses that Services of type LoadBalancer get; none are handed out when absent (another node does). */
  readonly nodeAddresses?: readonly string[];
  /** Service addresses bound on this node (cluster DNS). */
  readonly localServiceAddresses?: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the updates; the rules stay, because the pods do. */
  readonly signal: AbortSignal;
}

export interface ServiceProxy extends AsyncDisposable {
  /** Resolves when every change seen so far is in force. */
  settled(): Promise<void>;
}

const sliceService = "kubernetes.io/service-name";
const retryMs = { first: 1000, most: 30_000 };
/** How often the table is looked for: `nft flush ruleset` by somebody else takes it along, and the guard of loopback with it. */
const lookMs = 30_000;

/** Replaces the table (in one step, so that connections notice nothing) and keeps it current until the signal aborts. */
export async function startServiceProxy(options: ServiceProxyOptions): Promise<ServiceProxy> {
  const { client, log, signal, nodeName } = options;
  const table = tableOptions(options);
  const services = client.cache(Service);
  const slices = client.cache(EndpointSlice);
  const pods = client.cache(Pod, { fieldSelector: `spec.nodeName=${nodeName}` });
  slices.addIndex(sliceService, (slice) => [sliceOwner(slice)]);
  await Promise.all([services.synced, slices.synced, pods.synced]);

  const context: RenderContext = { ...options };
  const render = (owner: string): Fragment => {
    const key = owner.slice(owner.indexOf(" ") + 1);
    if (owner.startsWith("pod ")) {
      const pod = pods.get(key);
      return pod ? renderPod(pod, context) : emptyFragment;
    }
    const service = services.get(key);
    return service ? renderService(service, slices.byIndex(sliceService, key), context) : emptyFragment;
  };
  const applier = new Applier(new Ruleset(table), render, options);
  const unsubscribe = [
    services.onChange(({ object }) => applier.mark(`service ${keyOf(object)}`)),
    slices.onChange(({ object, old }) => {
      applier.mark(`service ${sliceOwner(object)}`);
      if (old) applier.mark(`service ${sliceOwner(old)}`);
    }),
    pods.onChange(({ object, old }) => {
      if (hasHostPorts(object) || (old && hasHostPorts(old))) applier.mark(`pod ${keyOf(object)}`);
    }),
  ];
  const slicesOf = (service: string) => slices.byIndex(sliceService, service);
  const health = startHealthChecks({ services, slicesOf, nodeName, log });
  const stop = () => {
    for (const each of unsubscribe) each();
    health[Symbol.dispose]();
  };
  signal.addEventListener("abort", stop, { once: true });
  await applier.start();
  log.info({ table: table.table }, "service proxy is in force");
  const { nodeAddresses } = options;
  const balancers = nodeAddresses?.length ? await startLoadBalancers({ ...options, nodeAddresses }) : undefined;
  return {
    settled: () => applier.settled(),
    async [Symbol.asyncDispose]() {
      stop();
      await balancers?.[Symbol.asyncDispose]();
      await applier.settled();
    },
  };
}

const tableOptions = (options: ServiceProxyOptions): TableOptions => {
  if (!/^[a-zA-Z][a-zA-Z0-9_-]*$/.test(options.table))
    throw new Error(`${JSON.stringify(options.table)} is no table name`);
  const { table, bridge, podCidr, serviceCidr, clusterCidr = podCidr, bridgeNetfilter = true, listeners } = options;
  return { table, bridge, podCidr, serviceCidr, clusterCidr, bridgeNetfilter, ...(listeners ? { listeners } : {}) };
};

const sliceOwner = (slice: EndpointSlice) =>
  `${slice.metadata.namespace}/${slice.metadata.labels?.[sliceService] ?? ""}`;

const hasHostPorts = (pod: Pod) =>
  [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].some((c) => c.ports?.some((p) => p.hostPort));

/** Collects owners whose fragments may have changed and brings them into force, one transaction at a time. */
class Applier {
  readonly #ruleset: Ruleset;
  readonly #render: (owner: string) => Fragment;
  readonly #options: ServiceProxyOptions;
  #dirty = new Set<string>();
  #running: Promise<void> | undefined;
  #started = false;
  #replace = true;
  #delayMs = retryMs.first;

  constructor(ruleset: Ruleset, render: (owner: string) => Fragment, options: ServiceProxyOptions) {
    this.#ruleset = ruleset;
    this.#render = render;
    this.#options = options;
  }

  mark(owner: string): void {
    this.#dirty.add(owner);
    if (this.#started) this.#wake();
  }

  /** The first, whole table; throws when nft refuses it. */
  async start(): Promise<void> {
    await this.#applyOnce();
    this.#started = true;
    if (this.#dirty.size > 0) this.#wake();
    const { clock, signal } = this.#options;
    repeat(clock, lookMs, signal, () => this.#look());
  }

  async #look(): Promise<void> {
    const { table, log, signal } = this.#options;
    const tables = await run("nft", ["list", "tables", "ip"]).catch(() => undefined);
    if (tables?.code !== 0 || tables.stdout.split("\n").includes(`table ip ${table}`) || signal.aborted) return;
    log.warn({ table }, "the service rules were removed by somebody else; making them anew");
    this.#replace = true;
    this.#wake();
  }

  async settled(): Promise<void> {
    // Changes of this turn are still being gathered.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#running) await this.#running;
  }

  #wake(): void {
    this.#running ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#drain())
      .finally(() => (this.#running = undefined));
  }

  async #drain(): Promise<void> {
    const { signal, log, clock } = this.#options;
    while ((this.#dirty.size > 0 || this.#replace) && !signal.aborted) {
      try {
        await this.#applyOnce();
        this.#delayMs = retryMs.first;
      } catch (error) {
        log.error({ error, retryMs: this.#delayMs }, "the service rules could not be brought into force");
        clock.after(this.#delayMs, () => !signal.aborted && this.#wake());
        this.#delayMs = Math.min(this.#delayMs * 2, retryMs.most);
        return;
      }
    }
  }

  async #applyOnce(): Promise<void> {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    const changes = new Map([...dirty].map((owner) => [owner, this.#render(owner)]));
    const { nft, udpFronts } = this.#ruleset.update(changes);
    if (!this.#replace && nft !== "") {
      const { code, stderr } = await run("nft", ["-f", "-"], { input: nft });
      // Somebody else changed or flushed our table: make it anew.
      if (code !== 0)
        this.#options.log.warn({ stderr: stderr.slice(0, 500) }, "nft refused a change; replacing the table");
      this.#replace = code !== 0;
    }
    if (this.#replace) await runOrThrow("nft", ["-f", "-"], { input: this.#ruleset.full() });
    this.#replace = false;
    await forgetStaleFlows(udpFronts, this.#options.log);
  }
}

/** Removes the table with all its rules; nothing happens when there is none. */
export async function removeServiceProxy(table: string): Promise<void> {
  await run("nft", ["delete", "table", "ip", table]);
}
