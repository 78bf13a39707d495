// Cuts the bytes of a client into frames. A frame that is whole in what came is read in place, any other is put together.
import { ConnectionError, errorCode, headBytes, maxFrameBytes, preface, uint24At } from "./frames.ts";

/** A frame with its head, from `head` to `end`; whether to go on. */
export type OnFrame = (bytes: Buffer, head: number, end: number) => boolean;

export class FrameReader {
  #prefaceBytes = 0;
  /** The beginning of a frame whose end has not come: first of its head, then of all of it. */
  #held: Buffer | undefined;
  #heldBytes = 0;

  /** Throws ConnectionError for what is no preface, and for frames that are too large. */
  read(chunk: Buffer, onFrame: OnFrame): void {
    let at = this.#prefaceBytes < preface.length ? this.#readPreface(chunk) : 0;
    let goesOn = true;
    while (goesOn && at < chunk.length) {
      const rest = chunk.length - at;
      const end = this.#held || rest < headBytes ? Infinity : at + frameBytes(chunk, at);
      if (end <= chunk.length) {
        goesOn = onFrame(chunk, at, end);
        at = end;
        continue;
      }
      at += this.#hold(chunk, at);
      if (this.#isWhole()) goesOn = this.#release(onFrame);
    }
  }

  #readPreface(chunk: Buffer): number {
    const end = Math.min(chunk.length, preface.length - this.#prefaceBytes);
    if (preface.compare(chunk, 0, end, this.#prefaceBytes, this.#prefaceBytes + end) !== 0) {
      throw new ConnectionError(errorCode.protocol, "the preface is not that of HTTP/2");
    }
    this.#prefaceBytes += end;
    return end;
  }

  /** Keeps what there is of the head, or of the frame; returns how much it took. */
  #hold(chunk: Buffer, from: number): number {
    this.#held ??= Buffer.allocUnsafe(headBytes);
    const copied = chunk.copy(this.#held, this.#heldBytes, from);
    this.#heldBytes += copied;
    return copied;
  }

  /** Whether the frame is whole; makes room for the rest of it when only its head is. */
  #isWhole(): boolean {
    const held = this.#held!;
    if (this.#heldBytes < held.length) return false;
    const bytes = frameBytes(held, 0);
    if (bytes === held.length) return true;
    this.#held = Buffer.allocUnsafe(bytes);
    held.copy(this.#held);
    return false;
  }

  #release(onFrame: OnFrame): boolean {
    const frame = this.#held!;
    this.#held = undefined;
    this.#heldBytes = 0;
    return onFrame(frame, 0, frame.length);
  }
}

function frameBytes(bytes: Buffer, head: number): number {
  const length = uint24At(bytes, head);
  if (length > maxFrameBytes) throw new ConnectionError(errorCode.frameSize, "a frame is too large");
  return headBytes + length;
}
