// UDP has no end of connection: the kernel keeps translating a flow as it did first, as long as packets come. Flows that go
// to a former endpoint, or past a Service that is new, are forgotten here, so that their next packet is translated afresh.
import { run } from "../../host/run.ts";
import type { Logger } from "../../machinery/log.ts";

/** One line of `conntrack -L`: where the client sent to, and who answers. */
export interface Flow {
  readonly source: string;
  readonly sourcePort: string;
  readonly address: string;
  readonly port: string;
  readonly backend: string;
}

const line = /src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+) .*?src=(\S+) dst=/;

export function parseFlows(listing: string): Flow[] {
  return listing.split("\n").flatMap((text) => {
    const [, source, address, sourcePort, port, backend] = line.exec(text) ?? [];
    return backend === undefined
      ? []
      : [{ source: source!, sourcePort: sourcePort!, address: address!, port: port!, backend }];
  });
}

/** The flows to one of the fronts (`ip:port`, or `:port` for any address) that nobody among its backends answers. */
export function findStaleFlows(flows: readonly Flow[], fronts: ReadonlyMap<string, ReadonlySet<string>>): Flow[] {
  return flows.filter(({ address, port, backend }) => {
    const backends = fronts.get(`${address}:${port}`) ?? fronts.get(`:${port}`);
    return backends !== undefined && !backends.has(backend);
  });
}

/** Does nothing without the `conntrack` command: then clients keep their old endpoint until they pause for 30 seconds. */
export async function forgetStaleFlows(fronts: ReadonlyMap<string, ReadonlySet<string>>, log: Logger): Promise<void> {
  if (fronts.size === 0) return;
  try {
    const { stdout } = await run("conntrack", ["-L", "-f", "ipv4", "-p", "udp"]);
    for (const { source, sourcePort, address, port } of findStaleFlows(parseFlows(stdout), fronts)) {
      const tuple = ["--orig-src", source, "--orig-dst", address, "--sport", sourcePort, "--dport", port];
      await run("conntrack", ["-D", "-p", "udp", ...tuple]);
    }
  } catch (error) {
    log.debug({ error }, "stale UDP flows could not be forgotten");
  }
}
