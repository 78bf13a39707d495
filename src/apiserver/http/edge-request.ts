// A request as the edge sees it, made of what either HTTP version has.
import type { IncomingHttpHeaders } from "node:http";
import type { PeerIdentity } from "../auth/authenticate.ts";
import type { EdgeRequest } from "./exchange.ts";
import type { Peer } from "./peers.ts";
import { RequestBody, type BodySource } from "./request-body.ts";

/** What a request and its response share. */
export interface Closing {
  readonly isClosed: boolean;
  /** Calls back once when the client is gone or served. */
  onClose(callback: () => void): void;
}

export interface RequestParts {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
  readonly peer: Peer;
  readonly body: BodySource;
  readonly upgrade?: EdgeRequest["upgrade"];
  readonly closing: Closing;
}

const noQuery = new URLSearchParams();

/** Body, parsed query and abort signal are made when asked for: most requests need none of them. */
export class Exchange implements EdgeRequest {
  readonly method: string;
  readonly path: string;
  readonly search: string;
  readonly headers: IncomingHttpHeaders;
  readonly peer: PeerIdentity | undefined;
  readonly address: string | undefined;
  readonly upgrade?: NonNullable<EdgeRequest["upgrade"]>;
  readonly #source: BodySource;
  readonly #closing: Closing;
  #body: RequestBody | undefined;
  #query: URLSearchParams | undefined;
  #controller: AbortController | undefined;

  constructor({ method, target, headers, peer, body, upgrade, closing }: RequestParts) {
    const mark = target.indexOf("?");
    this.method = method;
    this.path = mark < 0 ? target : target.slice(0, mark);
    this.search = mark < 0 ? "" : target.slice(mark + 1);
    this.headers = headers;
    this.peer = peer.identity;
    this.address = peer.address;
    if (upgrade) this.upgrade = upgrade;
    this.#source = body;
    this.#closing = closing;
  }

  get body(): RequestBody {
    return (this.#body ??= new RequestBody(this.#source, this.headers["content-length"]));
  }

  get query(): URLSearchParams {
    return (this.#query ??= this.search === "" ? noQuery : new URLSearchParams(this.search));
  }

  get isGone(): boolean {
    return this.#closing.isClosed;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = (this.#controller = new AbortController());
      this.#closing.onClose(() => controller.abort());
    }
    return this.#controller.signal;
  }
}
