// A fragment is what one Service (or one pod with host ports) contributes to the proxy's nftables table.

export interface Fragment {
  /** Chain name → its rules, in order. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Set name → definition, for sets that belong to this fragment alone (session affinity). */
  readonly sets: ReadonlyMap<string, string>;
  /** `<set or map> <key>` → value; "" in plain sets. Fragments may name the same element; see `Ruleset`. */
  readonly elements: ReadonlyMap<string, string>;
  /** UDP front (`ip:port`, or `:port` on every node address) → addresses behind it, for conntrack clean-up. */
  readonly udpFlows: ReadonlyMap<string, ReadonlySet<string>>;
}

/** A fragment under construction. */
export class FragmentBuilder implements Fragment {
  readonly chains = new Map<string, readonly string[]>();
  readonly sets = new Map<string, string>();
  readonly elements = new Map<string, string>();
  readonly udpFlows = new Map<string, Set<string>>();

  element(container: string, key: string, value = ""): void {
    this.elements.set(`${container} ${key}`, value);
  }

  udpFlow(front: string, addresses: Iterable<string>): void {
    this.udpFlows.set(front, new Set(addresses));
  }
}

export const emptyFragment: Fragment = {
  chains: new Map(),
  sets: new Map(),
  elements: new Map(),
  udpFlows: new Map(),
};
