// Services of type LoadBalancer without a cloud: the node's own addresses are the load balancer's. A port goes to the first
// Service that asks for it; ports that a process of the machine holds are never taken away from it.
import type { Client } from "../../client/client.ts";
import { createEventRecorder } from "../../client/events.ts";
import { Service } from "../../kinds/index.ts";
import type { Clock } from "../../machinery/clock.ts";
import { isReason } from "../../machinery/errors.ts";
import type { Logger } from "../../machinery/log.ts";
import { keyOf } from "../../machinery/object.ts";
import { describePortHolder, type Protocol } from "../ports.ts";

export interface Assignment {
  readonly service: Service;
  /** What status.loadBalancer.ingress should list. */
  readonly addresses: readonly string[];
  /** Why the Service gets no address. */
  readonly problem?: string;
}

const assignedTo = (service: Service): string[] =>
  (service.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));

const isOurs = (service: Service) =>
  service.spec?.type === "LoadBalancer" && !service.spec.loadBalancerClass && !service.metadata.deletionTimestamp;

/**
 * Decides who gets the addresses. `holder` names the process that listens on a port, if any; it is asked only for
 * Services that have no address yet, because their own port would be in the way otherwise.
 */
export function assignLoadBalancers(
  services: readonly Service[],
  addresses: readonly string[],
  holder: (protocol: Protocol, port: number) => string | undefined,
): Assignment[] {
  const owners = new Map<string, string>();
  const age = (service: Service) => `${service.metadata.creationTimestamp} ${keyOf(service)}`;
  const candidates = services
    .filter(isOurs)
    .toSorted((a, b) => assignedTo(b).length - assignedTo(a).length || (age(a) < age(b) ? -1 : 1));
  const assignments = candidates.map((service): Assignment => {
    const ports = (service.spec?.ports ?? []).map(({ port, protocol = "TCP" }) => ({
      port,
      protocol: protocol.toLowerCase(),
    }));
    for (const { port, protocol } of ports) {
      const owner = owners.get(`${protocol}/${port}`);
      if (owner) return { service, addresses: [], problem: `port ${port} already belongs to Service ${owner}` };
      const process =
        assignedTo(service).length === 0 && protocol !== "sctp" ? holder(protocol as Protocol, port) : undefined;
      if (process) return { service, addresses: [], problem: `port ${port} is held by ${process}` };
    }
    for (const { port, protocol } of ports) owners.set(`${protocol}/${port}`, keyOf(service));
    return { service, addresses };
  });
  // A Service that was a load balancer gives its address back.
  const former = services.filter(
    (service) => service.spec?.type !== "LoadBalancer" && assignedTo(service).some((ip) => addresses.includes(ip)),
  );
  return [...assignments, ...former.map((service) => ({ service, addresses: [] }))];
}

export interface LoadBalancerOptions {
  readonly client: Client;
  readonly nodeAddresses: readonly string[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** While a Service waits for a port of somebody else, it is tried again this often. */
const retryMs = 15_000;

/** Keeps status.loadBalancer of all Services without a class; run by one node only. */
export async function startLoadBalancers(options: LoadBalancerOptions): Promise<AsyncDisposable> {
  const { client, nodeAddresses, clock, log, signal } = options;
  const services = client.cache(Service);
  const events = createEventRecorder(client, "load-balancer", clock);
  services.addIndex("loadBalancer", (service) =>
    service.spec?.type === "LoadBalancer" || assignedTo(service).length > 0 ? ["yes"] : [],
  );
  await services.synced;
  const reported = new Map<string, string>();
  let asked = false;
  let running: Promise<void> | undefined;
  const wake = () => {
    asked = true;
    running ??= new Promise<void>((resolve) => setImmediate(resolve)).then(drain).finally(() => (running = undefined));
  };

  async function drain(): Promise<void> {
    while (asked && !signal.aborted) {
      asked = false;
      await assignAll();
    }
  }

  async function assignAll(): Promise<void> {
    const holder = (protocol: Protocol, port: number) => describePortHolder(port, protocol);
    const candidates = services.byIndex("loadBalancer", "yes");
    let waiting = false;
    for (const { service, addresses, problem } of assignLoadBalancers(candidates, nodeAddresses, holder)) {
      report(service, problem);
      waiting ||= problem !== undefined;
      if (assignedTo(service).join() === addresses.join()) continue;
      waiting = !(await writeStatus(service, addresses)) || waiting;
    }
    if (waiting) clock.after(retryMs, wake);
  }

  function report(service: Service, problem: string | undefined): void {
    const { uid } = service.metadata;
    if (reported.get(uid) === problem) return;
    if (problem === undefined) reported.delete(uid);
    else {
      reported.set(uid, problem);
      events.event(service, "Warning", "LoadBalancerPortTaken", `${problem}; choose another port or free that one`);
    }
  }

  async function writeStatus({ metadata }: Service, addresses: readonly string[]): Promise<boolean> {
    const { name, namespace } = metadata;
    const ingress = addresses.map((ip) => ({ ip, ipMode: "VIP" }));
    try {
      const status = { loadBalancer: { ingress: ingress.length > 0 ? ingress : null } };
      await client.patch(Service, { name, namespace }, "merge", { status }, { subresource: "status" });
      return true;
    } catch (error) {
      if (isReason(error, "NotFound")) return true;
      log.warn({ error, service: `${namespace}/${name}` }, "the load balancer's address could not be written");
      return false;
    }
  }

  const unsubscribe = services.onChange(({ type, object, old }) => {
    if (type === "DELETED") reported.delete(object.metadata.uid);
    if ([object, old].some((s) => s && (s.spec?.type === "LoadBalancer" || assignedTo(s).length > 0))) wake();
  });
  signal.addEventListener("abort", unsubscribe, { once: true });
  wake();
  return {
    async [Symbol.asyncDispose]() {
      unsubscribe();
      await events.flush();
    },
  };
}
