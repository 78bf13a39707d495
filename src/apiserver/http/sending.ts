// What holds for responses of either HTTP version on their way to the client.
import type { Writable } from "node:stream";
import type { BodySink } from "./exchange.ts";

/** A response that the client does not take any part of for so long is broken off. */
export const stallMs = 60_000;
/** Smaller responses cost too little to watch over them. */
export const stallBytes = 16 * 1024;

/** Lets a body write itself; breaks the response off when that fails. */
export function run(produce: (sink: BodySink) => void | Promise<void>, sink: BodySink): void {
  Promise.try(produce, sink).catch(() => sink.abort());
}

/** Resolves when a stream takes more, or nothing any more. */
export const drained = (target: Writable): Promise<void> =>
  new Promise((resolve) => {
    if (!target.writable || !target.writableNeedDrain) return resolve();
    const settle = () => {
      target.off("drain", settle);
      target.off("close", settle);
      resolve();
    };
    target.on("drain", settle);
    target.on("close", settle);
  });
