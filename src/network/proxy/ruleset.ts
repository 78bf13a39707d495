// The proxy's whole table: what never changes (hooks, maps), the fragments in it, and the shortest nft transaction from one
// state to the next. Pure: text in memory, no command is run here.
import { type Fragment, emptyFragment } from "./fragment.ts";

export interface TableOptions {
  /** Name of the nftables table (family ip). */
  readonly table: string;
  readonly bridge: string;
  readonly podCidr: string;
  /** Range of all nodes' pods. */
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** False when bridged answers bypass NAT (no br_netfilter): then clients of the same bridge are masqueraded. */
  readonly bridgeNetfilter: boolean;
  /** `address . port` of TCP listeners of this node that no Service or host port may take away. */
  readonly listeners?: readonly string[];
}

/** An nft transaction, and the UDP fronts (see Fragment) that it changed, with the backends that they have now. */
export interface Update {
  readonly nft: string;
  readonly udpFronts: ReadonlyMap<string, ReadonlySet<string>>;
}

const key = "type ipv4_addr . inet_proto . inet_service";

/** Sets and maps of the table, by name. */
const containers: Readonly<Record<string, { readonly word: "map" | "set"; readonly definition: string }>> = {
  "service-ips": { word: "map", definition: `${key} : verdict;` },
  "node-ports": { word: "map", definition: "type inet_proto . inet_service : verdict;" },
  "host-ip-ports": { word: "map", definition: `${key} : ipv4_addr . inet_service;` },
  "host-ports": { word: "map", definition: "type inet_proto . inet_service : ipv4_addr . inet_service;" },
  "refused-ips": { word: "set", definition: `${key};` },
  "refused-ports": { word: "set", definition: "type inet_proto . inet_service;" },
  hairpin: { word: "set", definition: "type ipv4_addr . ipv4_addr;" },
  elsewhere: { word: "set", definition: "type ipv4_addr;" },
};

const ports = "meta l4proto { tcp, udp, sctp }";

/** Chains that every state of the table has: name → [hook or "", rules]. */
function baseChains(options: TableOptions): [name: string, hook: string, rules: readonly string[]][] {
  const { bridge, podCidr, clusterCidr, serviceCidr, listeners = [] } = options;
  const refuse = [`ct state new jump refused`];
  return [
    ["refuse", "", ["meta l4proto tcp reject with tcp reset", "reject"]],
    [
      "services",
      "",
      [
        ...(listeners.length > 0 ? [`ip daddr . tcp dport { ${listeners.join(", ")} } return`] : []),
        "ip daddr . meta l4proto . th dport vmap @service-ips",
        `ip daddr ${serviceCidr} return`,
        "fib daddr type local meta l4proto . th dport vmap @node-ports",
        `${ports} dnat to ip daddr . meta l4proto . th dport map @host-ip-ports`,
        `fib daddr type local ${ports} dnat to meta l4proto . th dport map @host-ports`,
      ],
    ],
    [
      "refused",
      "",
      [
        // A service address that is still one after NAT has no endpoints, or no such port.
        `ip daddr ${serviceCidr} fib daddr type != local goto refuse`,
        "ip daddr . meta l4proto . th dport @refused-ips goto refuse",
        "fib daddr type local meta l4proto . th dport @refused-ports goto refuse",
      ],
    ],
    [
      "loopback-guard",
      "type filter hook prerouting priority raw;",
      // route_localnet lets NodePorts answer on loopback; it must not let pods in.
      [`iifname ${bridge} ip daddr 127.0.0.0/8 drop`, `iifname ${bridge} ip saddr 127.0.0.0/8 drop`],
    ],
    ["nat-prerouting", "type nat hook prerouting priority dstnat;", ["jump services"]],
    ["nat-output", "type nat hook output priority -100;", ["jump services"]],
    [
      "nat-postrouting",
      "type nat hook postrouting priority srcnat;",
      [
        "ip saddr . ip daddr @hairpin ct status dnat masquerade",
        `ip saddr 127.0.0.0/8 ip daddr != 127.0.0.0/8 ct status dnat masquerade`,
        ...(options.bridgeNetfilter ? [] : [`ip saddr ${podCidr} ip daddr ${podCidr} ct status dnat masquerade`]),
        // From outside to an endpoint elsewhere: the answer must come back through here. Only for endpoints of ours:
        // other clusters and container engines of this machine translate addresses too.
        `ip daddr @elsewhere ip saddr != ${clusterCidr} fib saddr type != local ct status dnat masquerade`,
        `ip saddr ${podCidr} oifname != ${bridge} ip daddr != ${clusterCidr} masquerade`,
      ],
    ],
    // Before routing: a packet turned round on the bridge makes the kernel send a redirect, whose rate limit would then
    // swallow the refusal.
    [
      "filter-prerouting",
      "type filter hook prerouting priority -90;",
      [
        ...refuse,
        // Clouds hand out their machines' credentials at link-local addresses. Pods may only ask for names there.
        `iifname ${bridge} ip daddr 169.254.0.0/16 fib daddr type != local th dport != 53 goto refuse`,
      ],
    ],
    ["filter-output", "type filter hook output priority filter;", refuse],
  ];
}

/** Holds the fragments by owner and computes transactions; `commit` must follow once nft has taken one. */
export class Ruleset {
  readonly #options: TableOptions;
  readonly #fragments = new Map<string, Fragment>();
  /** Element → owners with their values. The first owner (by name) counts when several claim the same element. */
  readonly #claims = new Map<string, Map<string, string>>();

  constructor(options: TableOptions) {
    this.#options = options;
  }

  fragment(owner: string): Fragment {
    return this.#fragments.get(owner) ?? emptyFragment;
  }

  /** Takes the new fragments in and returns the transaction that changes the table accordingly; "" when nothing does. */
  update(changes: ReadonlyMap<string, Fragment>): Update {
    const touched = new Map<string, string | undefined>();
    const out = { chains: [] as string[], rules: [] as string[], sets: [] as string[], drops: [] as string[] };
    const udpFronts = new Map<string, ReadonlySet<string>>();
    for (const [owner, next] of changes) {
      const old = this.fragment(owner);
      diffNamed(old.sets, next.sets, {
        add: (name, definition) => out.sets.push(`add set ip T ${name} { ${definition} }`),
        remove: (name) => out.drops.push(`delete set ip T ${name}`),
      });
      this.#diffChains(old, next, out);
      for (const element of [...old.elements.keys(), ...next.elements.keys()])
        if (!touched.has(element)) touched.set(element, this.#effective(element));
      noteChangedFronts(old, next, udpFronts);
      this.#put(owner, old, next);
    }
    const removed: string[] = [];
    const added: string[] = [];
    for (const [element, before] of touched) {
      const after = this.#effective(element);
      if (before === after) continue;
      if (before !== undefined) removed.push(`delete element ip T ${elementText(element, undefined)}`);
      if (after !== undefined) added.push(`add element ip T ${elementText(element, after)}`);
    }
    // Chains vanish before the sets that their rules use.
    const drops = out.drops.toSorted((a, b) => Number(a.includes(" set ")) - Number(b.includes(" set ")));
    const lines = [...out.sets, ...out.chains, ...out.rules, ...removed, ...added, ...drops];
    return { nft: this.#text(lines), udpFronts };
  }

  /** The transaction that makes the table from nothing, in place of whatever it was. */
  full(): string {
    const lines = ["add table ip T", "delete table ip T", "add table ip T"];
    for (const [name, { word, definition }] of Object.entries(containers))
      lines.push(`add ${word} ip T ${name} { ${definition} }`);
    const base = baseChains(this.#options);
    for (const [name, hook] of base) lines.push(`add chain ip T ${name}${hook ? ` { ${hook} }` : ""}`);
    const fragments = [...this.#fragments].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, fragment]) => fragment);
    for (const { sets } of fragments)
      for (const [name, definition] of sets) lines.push(`add set ip T ${name} { ${definition} }`);
    for (const { chains } of fragments) for (const name of chains.keys()) lines.push(`add chain ip T ${name}`);
    for (const { chains } of fragments)
      for (const [name, rules] of chains) for (const rule of rules) lines.push(`add rule ip T ${name} ${rule}`);
    for (const [name, , rules] of base) for (const rule of rules) lines.push(`add rule ip T ${name} ${rule}`);
    for (const element of [...this.#claims.keys()].toSorted())
      lines.push(`add element ip T ${elementText(element, this.#effective(element)!)}`);
    return this.#text(lines);
  }

  #diffChains(old: Fragment, next: Fragment, out: { chains: string[]; rules: string[]; drops: string[] }): void {
    for (const [name, rules] of next.chains) {
      const before = old.chains.get(name);
      if (before && before.length === rules.length && before.every((rule, i) => rule === rules[i])) continue;
      out.chains.push(before ? `flush chain ip T ${name}` : `add chain ip T ${name}`);
      for (const rule of rules) out.rules.push(`add rule ip T ${name} ${rule}`);
    }
    for (const name of old.chains.keys()) {
      if (next.chains.has(name)) continue;
      // Emptied first: chains of one fragment refer to each other, whatever their order.
      out.chains.push(`flush chain ip T ${name}`);
      out.drops.push(`delete chain ip T ${name}`);
    }
  }

  #put(owner: string, old: Fragment, next: Fragment): void {
    for (const element of old.elements.keys()) {
      const owners = this.#claims.get(element);
      owners?.delete(owner);
      if (owners?.size === 0) this.#claims.delete(element);
    }
    for (const [element, value] of next.elements) {
      const owners = this.#claims.get(element);
      if (owners) owners.set(owner, value);
      else this.#claims.set(element, new Map([[owner, value]]));
    }
    if (next.chains.size === 0 && next.elements.size === 0) this.#fragments.delete(owner);
    else this.#fragments.set(owner, next);
  }

  #effective(element: string): string | undefined {
    const owners = this.#claims.get(element);
    if (!owners) return undefined;
    let first: string | undefined;
    for (const owner of owners.keys()) if (first === undefined || owner < first) first = owner;
    return owners.get(first!);
  }

  #text(lines: readonly string[]): string {
    const prefix = / ip T(?= |$)/;
    return lines.map((line) => `${line.replace(prefix, ` ip ${this.#options.table}`)}\n`).join("");
  }
}

/** `service-ips 10.96.0.1 . tcp . 443` → `service-ips { 10.96.0.1 . tcp . 443 : goto … }`. */
function elementText(element: string, value: string | undefined): string {
  const space = element.indexOf(" ");
  return `${element.slice(0, space)} { ${element.slice(space + 1)}${value ? ` : ${value}` : ""} }`;
}

function diffNamed(
  old: ReadonlyMap<string, string>,
  next: ReadonlyMap<string, string>,
  on: { add(name: string, value: string): void; remove(name: string): void },
): void {
  for (const [name, value] of next) if (!old.has(name)) on.add(name, value);
  for (const name of old.keys()) if (!next.has(name)) on.remove(name);
}

const nobody: ReadonlySet<string> = new Set();

/** Fronts that are new, gone, or lost a backend: flows to them may still go elsewhere. */
function noteChangedFronts(old: Fragment, next: Fragment, out: Map<string, ReadonlySet<string>>): void {
  for (const [front, backends] of next.udpFlows)
    if ([...(old.udpFlows.get(front) ?? [""])].some((backend) => !backends.has(backend))) out.set(front, backends);
  for (const front of old.udpFlows.keys()) if (!next.udpFlows.has(front)) out.set(front, nobody);
}
