// For tests of HTTP/2: frames by hand, and a socket that only remembers.
import { headBytes, preface, putHead, putUint32, frameType, uint24At, uint31At } from "./frames.ts";
import type { Wire } from "./outbox.ts";

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(headBytes + payload.length);
  putHead(bytes, 0, { length: payload.length, type, flags, stream });
  payload.copy(bytes, headBytes);
  return bytes;
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  putUint32(bytes, 0, value);
  return bytes;
}

/** What every client says first. */
export const greeting = Buffer.concat([preface, frame(frameType.settings, 0, 0)]);
/** The header blocks of GET and POST https://a/ */
export const getBlock = Buffer.from("828784010161", "hex");
export const postBlock = Buffer.from("838784010161", "hex");

function framesOf(bytes: Buffer): Frame[] {
  const found: Frame[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + headBytes + uint24At(bytes, at);
    const payload = bytes.subarray(at + headBytes, end);
    found.push({ type: bytes[at + 3]!, flags: bytes[at + 4]!, stream: uint31At(bytes, at + 5), payload });
    at = end;
  }
  return found;
}

export class FakeWire implements Wire {
  isPaused = false;
  isEnded = false;
  isDestroyed = false;
  /** Whether it takes what is written; otherwise that is on its way. */
  isTaking = true;
  #written: Buffer[] = [];
  #done: (() => void)[] = [];

  write(bytes: Buffer, done: () => void): void {
    this.#written.push(Buffer.from(bytes));
    this.#done.push(done);
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  /** What was written in one turn. */
  async turn(): Promise<Frame[]> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.isTaking) for (const done of this.#done.splice(0)) done();
    return framesOf(Buffer.concat(this.#written.splice(0)));
  }

  /** All that is written until there is no more. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    do frames.push(...(await this.turn()));
    while (this.isTaking && this.#done.length > 0);
    return frames;
  }
}
