// What the edge is made of: handed to every handler, owned by the server that starts it.
import type { Client } from "../../client/client.ts";
import type { NodeConnection } from "../../client/node-connection.ts";
import type { KindRegistry } from "../../kinds/registry.ts";
import type { Clock } from "../../machinery/clock.ts";
import type { Logger } from "../../machinery/log.ts";
import type { Store } from "../../store/store.ts";
import type { Authentication } from "../auth/authenticate.ts";
import type { Api, TokenIssuer } from "../types.ts";
import type { FlowControl } from "../flowcontrol/flow-control.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Metrics } from "./metrics.ts";

export interface HealthCheck {
  readonly name: string;
  readonly isGood: boolean;
}

export interface EdgeServices {
  readonly api: Api;
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly client: Client;
  readonly nodes: (nodeName: string) => NodeConnection | undefined;
  readonly tokens: TokenIssuer;
  readonly authentication: Authentication;
  readonly clock: Clock;
  readonly log: Logger;
  /** Knarr's own version, for /version. */
  readonly version: string;
  readonly metrics: Metrics;
  readonly flow: FlowControl;
  readonly lifecycle: Lifecycle;
  /** Requests that are not long-running end after this. */
  readonly requestTimeoutMs: number;
  /** 0 ≤ x < 1, for spreading timeouts. */
  readonly random: () => number;
  /** Empty when ready, else what is still missing; for /readyz. */
  readonly notReady: () => readonly string[];
  /** Further checks of /readyz and /healthz. */
  readonly checks: () => readonly HealthCheck[];
}
