// What every request passes before it is answered: the end of the server, its time limit, priority and fairness.
// Follows kubernetes v1.36 staging/src/k8s.io/apiserver/pkg/endpoints/filters/request_deadline.go (timeout parameter).
import type { Clock } from "../../machinery/clock.ts";
import { parseDuration } from "../../machinery/duration.ts";
import { badRequest, statusError } from "../../machinery/errors.ts";
import { after, type Awaitable } from "../../machinery/turn.ts";
import type { Ticket } from "../flowcontrol/dispatcher.ts";
import { isLongRunning } from "../flowcontrol/flow-control.ts";
import type { UserInfo } from "../types.ts";
import { upgraded, type EdgeRequest, type EdgeResponse, type Outcome } from "./exchange.ts";
import type { RequestInfo } from "./request-info.ts";
import type { EdgeServices } from "./services.ts";

export interface GatedRequest {
  readonly request: EdgeRequest;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number;
  /** The body goes elsewhere as it comes. */
  readonly streamsBody: boolean;
}

const bodyMethods: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH", "DELETE"]);

/**
 * Answers when it may, without a promise where nothing has to be waited for: each costs as much as looking up an object.
 * `headers` gets what the response has to carry. Throws, or rejects with, StatusError.
 */
export function passGate(
  services: EdgeServices,
  gated: GatedRequest,
  headers: Record<string, string>,
  answer: () => Awaitable<Outcome>,
): Awaitable<Outcome> {
  const { request, info, user, streamsBody } = gated;
  const endless = isLongRunning(info);
  if (endless && info.verb !== "watch") return answer();
  const hasBody = !streamsBody && info.type === "resource" && bodyMethods.has(request.method);
  const limitMs = endless ? services.requestTimeoutMs : timeLimit(request, services.requestTimeoutMs);
  const limited = (work: Awaitable<Outcome>) =>
    work instanceof Promise && !endless ? within(work, limitMs, services.clock) : work;
  const { lifecycle, flow } = services;
  let ticket: Ticket | undefined;
  const run = (own: Ticket) => {
    ticket = own;
    // Who has no body waits for nothing but a seat, for which there is a limit already, and perhaps for the answer.
    return hasBody ? answer() : limited(answer());
  };
  const admit = () => {
    const place = flow.place(user, info);
    Object.assign(headers, place.headers);
    return after(flow.admit(place, gated, gated.startedAt + limitMs), run);
  };
  lifecycle.enter();
  const work = ending(
    // Read before a seat is taken, so that those who send slowly keep nobody waiting.
    () => (hasBody ? after(request.body.prefetch(), admit) : admit()),
    () => {
      ticket?.release();
      lifecycle.leave();
      if (hasBody) request.body.release();
    },
  );
  return hasBody ? limited(work) : work;
}

/** `try … finally` around what is mostly done at once. */
function ending<T>(work: () => Awaitable<T>, end: () => void): Awaitable<T> {
  let result: Awaitable<T>;
  try {
    result = work();
  } catch (error) {
    end();
    throw error;
  }
  if (!(result instanceof Promise)) {
    end();
    return result;
  }
  // Not `finally`, which makes three promises.
  return result.then(
    (value) => {
      end();
      return value;
    },
    (error: unknown) => {
      end();
      throw error;
    },
  );
}

/** Rejects with Timeout after the limit; the work itself goes on to its end. */
function within(work: Promise<Outcome>, limitMs: number, clock: Clock): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () =>
      reject(statusError("Timeout", "Timeout: request did not complete within the allotted timeout")),
    );
    work.then(
      (outcome) => {
        cancel();
        resolve(outcome);
      },
      (error: Error) => {
        cancel();
        reject(error);
      },
    );
  });
}

/** Milliseconds that the client gives, at most the server's own limit. */
function timeLimit(request: EdgeRequest, most: number): number {
  if (request.search === "") return most;
  const asked = request.query.get("timeout");
  if (!asked) return most;
  const ms = parseDuration(asked);
  if (ms === undefined) throw badRequest(`invalid timeout specified in the request URL - ${JSON.stringify(asked)}`);
  return ms > 0 && ms < most ? ms : most;
}

/** The response with further headers. Nobody between here and the client may keep it, unless it says otherwise. */
export function withHeaders(outcome: Outcome, headers: Readonly<Record<string, string>>): Outcome {
  if (outcome === upgraded) return outcome;
  const all: EdgeResponse["headers"] = { "cache-control": "no-cache, private" };
  // Loops take less than half of what spreading takes.
  for (const name in outcome.headers) all[name] = outcome.headers[name]!;
  for (const name in headers) all[name] = headers[name]!;
  return { status: outcome.status, headers: all, ...(outcome.body === undefined ? {} : { body: outcome.body }) };
}
