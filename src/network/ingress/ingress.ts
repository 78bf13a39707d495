// The Ingress controller: watches Ingresses and what they refer to, and keeps HAProxy equal to the plan. Endpoint changes go
// through HAProxy's admin socket; only a change of rules or certificates reloads it. No HAProxy runs without an Ingress.
import { networkInterfaces } from "node:os";
import type { Client } from "../../client/client.ts";
import { createEventRecorder, type EventRecorder } from "../../client/events.ts";
import { EndpointSlice, Ingress, IngressClass, Secret, Service } from "../../kinds/index.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import { keyOf, type KubeObject } from "../../machinery/object.ts";
import { describePortHolder, listeners } from "../ports.ts";
import { assignSlots, type ConfigOptions, renderConfig, slotCommands, type Slots, structureOf } from "./config.ts";
import { HAProxy } from "./haproxy.ts";
import { type IngressPlan, type IngressView, planIngress } from "./render.ts";
import { className, controllerName, defaultClass, isOurs, referencesOf } from "./select.ts";

export interface IngressOptions {
  readonly client: Client;
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Addresses to listen on; `0.0.0.0` for all. */
  readonly bind: readonly string[];
  /** Addresses for the status of Ingresses; those bound, or the machine's own, when absent. */
  readonly addresses?: readonly string[];
  /** For hints of EndpointSlices. */
  readonly nodeName?: string;
  readonly dataDir: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface IngressController extends AsyncDisposable {
  /** Why Ingresses cannot be served, such as a port that another process holds; undefined when nothing is in the way. */
  readonly problem: string | undefined;
  /** Resolves when every change seen so far is in force. */
  settled(): Promise<void>;
}

const retryMs = 5000;
const sliceService = "kubernetes.io/service-name";
const sliceOwner = ({ metadata }: EndpointSlice) => `${metadata.namespace}/${metadata.labels?.[sliceService] ?? ""}`;

/** Resolves once watching; a taken port is no failure (see `problem`), because a cluster is useful without Ingresses. */
export async function startIngress(options: IngressOptions): Promise<IngressController> {
  const { client, signal, log } = options;
  const ingresses = client.cache(Ingress);
  const classes = client.cache(IngressClass);
  await Promise.all([ingresses.synced, classes.synced]);
  const controller = new Controller(options);
  const unsubscribe = [
    ingresses.onChange(() => controller.wake()),
    classes.onChange(() => controller.wake()),
    () => controller.close(),
  ];
  const stop = () => unsubscribe.splice(0).forEach((each) => each());
  signal.addEventListener("abort", stop, { once: true });
  const problem = controller.portProblem();
  if (problem) log.warn({ problem }, "Ingresses cannot be served");
  void ensureClass(options);
  return {
    get problem() {
      return controller.portProblem();
    },
    settled: () => controller.settled(),
    async [Symbol.asyncDispose]() {
      stop();
      await controller.settled();
    },
  };
}

/** Ends an HAProxy that an earlier `startIngress` left running with this directory. */
export async function stopIngress(options: { readonly dataDir: string; readonly clock: Clock }): Promise<void> {
  await new HAProxy(options.dataDir, options.clock).stop();
}

class Controller {
  readonly #options: IngressOptions;
  readonly #config: ConfigOptions;
  readonly #haproxy: HAProxy;
  readonly #events: EventRecorder;
  readonly #unsubscribe: (() => void)[] = [];
  #references = new Set<string>();
  #reported = new Set<string>();
  #slots: Slots = new Map();
  /** What HAProxy runs with; undefined when that is not known. */
  #structure: string | undefined;
  #watching = false;
  #asked = false;
  #closed = false;
  #running: Promise<void> | undefined;

  constructor(options: IngressOptions) {
    const { dataDir, bind, httpPort, httpsPort, client, clock } = options;
    this.#options = options;
    this.#config = { directory: dataDir, bind, httpPort, httpsPort, threads: 1 };
    this.#haproxy = new HAProxy(dataDir, clock);
    this.#events = createEventRecorder(client, "ingress", clock);
  }

  close(): void {
    this.#closed = true;
    for (const stop of this.#unsubscribe) stop();
  }

  wake(): void {
    this.#asked = true;
    this.#running ??= new Promise<void>((resolve) => setImmediate(resolve))
      .then(() => this.#drain())
      .finally(() => (this.#running = undefined));
  }

  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#running) await this.#running;
  }

  /** Looks at the ports only while HAProxy is not running: then it is HAProxy who holds them. */
  portProblem(): string | undefined {
    if (this.#haproxy.running) return undefined;
    const { httpPort, httpsPort, client } = this.#options;
    const problems = [httpPort, httpsPort].flatMap((port) => {
      const holder = describePortHolder(port) ?? findLoadBalancer(client.cache(Service).list(), port);
      return holder
        ? [`port ${port} is held by ${holder}; free it or choose another, for example ${freePort(port)}`]
        : [];
    });
    return problems.length > 0 ? problems.join("; ") : undefined;
  }

  async #drain(): Promise<void> {
    const { clock, log } = this.#options;
    while (this.#asked && !this.#closed) {
      this.#asked = false;
      try {
        await this.#apply();
      } catch (error) {
        this.#structure = undefined;
        log.error({ error, retryMs }, "the Ingress rules could not be brought into force");
        clock.after(retryMs, () => !this.#closed && this.wake());
        return;
      }
    }
  }

  async #apply(): Promise<void> {
    const { client, clock } = this.#options;
    const classes = client.cache(IngressClass).list();
    const mine = client
      .cache(Ingress)
      .list()
      .filter((ingress) => isOurs(ingress, classes));
    if (mine.length === 0) {
      if (this.#haproxy.running) await this.#haproxy.stop();
      this.#structure = undefined;
      return;
    }
    await this.#watchReferences();
    this.#references = new Set(mine.flatMap(referencesOf));
    const problem = this.portProblem();
    if (problem) {
      for (const ingress of mine) this.#report(ingress, "PortTaken", problem);
      clock.after(retryMs, () => !this.#closed && this.wake());
      return;
    }
    const place = { nodeName: this.#options.nodeName ?? "" };
    await this.#bringIntoForce(planIngress(mine, this.#view(), place, this.#options.dataDir));
    for (const ingress of mine) await this.#writeStatus(ingress);
  }

  async #bringIntoForce(plan: IngressPlan): Promise<void> {
    for (const { ingress, reason, message } of plan.problems) this.#report(ingress, reason, message);
    const slots = assignSlots(this.#slots, plan.backends);
    const structure = structureOf(plan, slots, this.#config);
    const config = renderConfig(plan, slots, this.#config);
    if (this.#haproxy.running && structure === this.#structure) {
      const commands = slotCommands(this.#slots, slots);
      if (commands.length > 0 && (await this.#command(commands))) this.#haproxy.writeConfig(config);
    } else this.#structure = undefined;
    if (this.#structure === undefined) {
      const started = !this.#haproxy.running;
      await this.#haproxy.load(config, plan.files);
      // It is our child: when it dies by itself, it comes back.
      if (started)
        void this.#haproxy.exited?.then(() => this.#options.clock.after(100, () => !this.#closed && this.wake()));
    }
    this.#structure = structure;
    this.#slots = slots;
  }

  /** False when HAProxy did not take a command: then it is reloaded instead. */
  async #command(commands: readonly string[]): Promise<boolean> {
    try {
      const said = await this.#haproxy.command(commands);
      if (!/no such|not found|invalid|unknown|require|can't|error/i.test(said)) return true;
      this.#options.log.warn({ said: said.slice(0, 500) }, "HAProxy did not take a command; reloading it");
    } catch (error) {
      this.#options.log.warn({ error }, "HAProxy did not take a command; reloading it");
    }
    this.#structure = undefined;
    return false;
  }

  #view(): IngressView {
    const { client } = this.#options;
    return {
      service: (namespace, name) => client.cache(Service).get(`${namespace}/${name}`),
      slices: (namespace, name) => client.cache(EndpointSlice).byIndex(sliceService, `${namespace}/${name}`),
      secret: (namespace, name) => client.cache(Secret).get(`${namespace}/${name}`),
    };
  }

  /** From the first Ingress on, what Ingresses refer to matters too. */
  async #watchReferences(): Promise<void> {
    if (this.#watching) return;
    this.#watching = true;
    const { client } = this.#options;
    const [services, slices, secrets] = [client.cache(Service), client.cache(EndpointSlice), client.cache(Secret)];
    slices.addIndex(sliceService, (slice) => [sliceOwner(slice)]);
    await Promise.all([services.synced, slices.synced, secrets.synced]);
    const wakeFor = (reference: string) => this.#references.has(reference) && this.wake();
    this.#unsubscribe.push(
      services.onChange(({ object }) => wakeFor(`service ${keyOf(object)}`)),
      slices.onChange(({ object }) => wakeFor(`service ${sliceOwner(object)}`)),
      secrets.onChange(({ object }) => wakeFor(`secret ${keyOf(object)}`)),
    );
  }

  /** An event per Ingress version and problem, not one per change of an endpoint. */
  #report(ingress: Ingress, reason: string, message: string): void {
    const key = `${ingress.metadata.uid} ${ingress.metadata.generation} ${reason} ${message}`;
    if (this.#reported.has(key)) return;
    if (this.#reported.size > 1000) this.#reported.clear();
    this.#reported.add(key);
    this.#events.event(ingress as KubeObject, "Warning", reason, message);
  }

  async #writeStatus(ingress: Ingress): Promise<void> {
    const { client, log } = this.#options;
    const addresses = this.#addresses();
    const current = (ingress.status?.loadBalancer?.ingress ?? []).map(({ ip }) => ip);
    if (current.join() === addresses.join()) return;
    const { name, namespace } = ingress.metadata;
    const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } };
    try {
      await client.patch(Ingress, { name, namespace }, "merge", { status }, { subresource: "status" });
    } catch (error) {
      if (!isReason(error, "NotFound")) log.warn({ error, ingress: keyOf(ingress) }, "its status could not be written");
    }
  }

  #addresses(): readonly string[] {
    const { addresses, bind } = this.#options;
    if (addresses) return addresses;
    if (!bind.includes("0.0.0.0")) return bind;
    const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
    return all
      .filter(({ family, internal }) => family === "IPv4" && !internal)
      .map(({ address }) => address)
      .slice(0, 1);
  }
}

/** A Service whose load balancer port would catch every packet before HAProxy sees it. */
function findLoadBalancer(services: readonly Service[], port: number): string | undefined {
  const found = services.find(
    ({ spec, status }) =>
      spec?.type === "LoadBalancer" &&
      (status?.loadBalancer?.ingress?.length ?? 0) > 0 &&
      spec.ports?.some((p) => p.port === port && (p.protocol ?? "TCP") === "TCP"),
  );
  return found && `Service ${keyOf(found)} of type LoadBalancer`;
}

/** A port to suggest: the first from 8000 + port on that nobody listens on. */
function freePort(port: number): number {
  const taken = new Set(listeners("tcp").map((listener) => listener.port));
  let candidate = port < 1024 ? port + 8000 : port + 1;
  while (taken.has(candidate)) candidate++;
  return candidate;
}

/** The class of our Ingresses, made as the default one when there is no default yet. A later change of it is respected. */
async function ensureClass(options: IngressOptions): Promise<void> {
  const { client, clock, log, signal } = options;
  const taken = client
    .cache(IngressClass)
    .list()
    .some(({ metadata }) => metadata.annotations?.[defaultClass] === "true");
  try {
    await client.create(IngressClass, {
      apiVersion: "networking.k8s.io/v1",
      kind: "IngressClass",
      metadata: { name: className, ...(taken ? {} : { annotations: { [defaultClass]: "true" } }) },
      spec: { controller: controllerName },
    });
  } catch (error) {
    if (signal.aborted || isReason(error, "AlreadyExists")) return;
    log.warn({ error }, "the IngressClass could not be created");
    clock.after(retryMs, () => void ensureClass(options));
  }
}
