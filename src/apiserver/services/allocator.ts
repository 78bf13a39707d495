// Cluster addresses and node ports of Services: what is taken follows from the Services in the store plus the
// reservations of writes on their way. Follows kubernetes v1.36 pkg/registry/core/service/storage/{alloc,storage}.go.
import type { Service, ServicePort } from "../../kinds/generated/core.v1.ts";
import { internalError, invalid } from "../../machinery/errors.ts";
import { invalidValue } from "../../machinery/field.ts";
import type { Store } from "../../store/store.ts";
import type { Transaction } from "../core/core.ts";
import { addressRange, addressToNumber, choose, contains, numberToAddress, portRange } from "./ranges.ts";
import { needsClusterIp, needsHealthPort, needsNodePorts } from "./fields.ts";

export interface ServiceAllocator {
  /** Fills in what the draft needs and lacks; throws Invalid for a number that is taken or outside the range. */
  allocate(draft: Service, old: Service | undefined, transaction: Transaction): void;
}

export function createServiceAllocator(store: Store, cidr: string, ports: readonly [number, number]): ServiceAllocator {
  const addresses = addressRange(cidr);
  const nodePorts = portRange(...ports);
  let taken: Taken | undefined;
  return {
    allocate(draft, old, transaction) {
      taken ??= followServices(store);
      const names: Names = { addresses: taken.addresses, ports: taken.ports, transaction };
      allocateAddress(draft, old, names, { cidr, addresses });
      allocatePorts(draft, old, names, { ports, range: nodePorts });
    },
  };
}

/** Counts, because one Service may use a node port for two protocols. */
class Counts {
  readonly #counts = new Map<number, number>();

  has(value: number): boolean {
    return this.#counts.has(value);
  }

  add(value: number, by: 1 | -1): void {
    const count = (this.#counts.get(value) ?? 0) + by;
    if (count > 0) this.#counts.set(value, count);
    else this.#counts.delete(value);
  }
}

interface Taken {
  readonly addresses: Counts;
  readonly ports: Counts;
}

interface Names extends Taken {
  readonly transaction: Transaction;
}

function followServices(store: Store): Taken {
  const taken: Taken = { addresses: new Counts(), ports: new Counts() };
  const count = (service: Service, by: 1 | -1) => {
    for (const address of service.spec?.clusterIPs ?? []) {
      if (address !== "None" && !address.includes(":")) taken.addresses.add(addressToNumber(address), by);
    }
    for (const port of portsOf(service)) taken.ports.add(port, by);
  };
  const { entries, revision } = store.list("/services");
  for (const { object } of entries) count(object as Service, 1);
  store.watch({ collection: "/services", after: revision }, (events) => {
    for (const { type, entry, previous } of events) {
      if (previous) count(previous.object as Service, -1);
      if (type !== "DELETED") count(entry.object as Service, 1);
    }
  });
  return taken;
}

const portsOf = ({ spec }: Service): Set<number> =>
  new Set([...(spec?.ports ?? []).map((port) => port.nodePort ?? 0), spec?.healthCheckNodePort ?? 0].filter(Boolean));

/** Takes a number until the write is settled; from then on the stored Service keeps it. */
function reserve(counts: Counts, value: number, transaction: Transaction): void {
  counts.add(value, 1);
  transaction.onSettled(() => counts.add(value, -1));
}

const refuse = (service: Service, field: string, value: unknown, why: string) =>
  invalid({ group: "", kind: "Service" }, service.metadata!.name!, [invalidValue(field, value, why)]);

function allocateAddress(
  draft: Service,
  old: Service | undefined,
  { addresses, transaction }: Names,
  { cidr, addresses: range }: { cidr: string; addresses: ReturnType<typeof addressRange> },
): void {
  const spec = draft.spec!;
  if (!needsClusterIp(draft) || spec.clusterIP === "None") return;
  if (spec.clusterIP && old?.spec?.clusterIP === spec.clusterIP && needsClusterIp(old)) return;
  if (spec.clusterIP) {
    const value = addressToNumber(spec.clusterIP);
    const why = (reason: string) =>
      refuse(draft, "spec.clusterIPs", [spec.clusterIP], `failed to allocate IP ${spec.clusterIP}: ${reason}`);
    if (!contains(range, value)) {
      throw why(`the provided IP (${spec.clusterIP}) is not in the valid range. The range of valid IPs is ${cidr}`);
    }
    if (addresses.has(value)) throw why("provided IP is already allocated");
    reserve(addresses, value, transaction);
  } else {
    const value = choose(range, (candidate) => addresses.has(candidate));
    if (value === undefined) throw internalError("failed to allocate a serviceIP: range is full");
    reserve(addresses, value, transaction);
    spec.clusterIP = numberToAddress(value);
  }
  spec.clusterIPs = [spec.clusterIP];
}

function allocatePorts(
  draft: Service,
  old: Service | undefined,
  { ports: taken, transaction }: Names,
  { ports: [first, last], range }: { ports: readonly [number, number]; range: ReturnType<typeof portRange> },
): void {
  const spec = draft.spec!;
  const mine = new Set(old ? portsOf(old) : []);
  const take = (field: string, wanted: number | undefined): number => {
    if (wanted && mine.has(wanted)) return wanted;
    if (wanted) {
      if (!contains(range, wanted)) {
        throw refuse(
          draft,
          field,
          wanted,
          `provided port is not in the valid range. The range of valid ports is ${first}-${last}`,
        );
      }
      if (taken.has(wanted)) throw refuse(draft, field, wanted, "provided port is already allocated");
    }
    const port = wanted || choose(range, (candidate) => taken.has(candidate) || mine.has(candidate));
    if (!port) throw internalError("failed to allocate a nodePort: range is full");
    reserve(taken, port, transaction);
    mine.add(port);
    return port;
  };
  if (needsNodePorts(draft)) {
    // A port of two protocols gets the same node port for both.
    const byPort = new Map<number, ServicePort>();
    for (const [i, port] of (spec.ports ?? []).entries()) {
      const twin = byPort.get(port.port);
      if (!port.nodePort && twin && twin.protocol !== port.protocol) port.nodePort = twin.nodePort!;
      else port.nodePort = take(`spec.ports[${i}].nodePort`, port.nodePort);
      byPort.set(port.port, port);
    }
  }
  if (needsHealthPort(draft)) spec.healthCheckNodePort = take("spec.healthCheckNodePort", spec.healthCheckNodePort);
}
