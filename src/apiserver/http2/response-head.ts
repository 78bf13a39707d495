// The heads of responses around what HPACK makes of their headers: the date, and blocks too large for one frame.
import { frameFlag, frameType, headBytes, maxFrameBytes, putHead } from "./frames.ts";

/** A table size update: whoever allowed no table waits for it. */
export const noTable = 0x20;
/** The status 100. */
export const proceedBlock = Buffer.from([8, 3, 0x31, 0x30, 0x30]);

/** A block too large for one frame, or for what is left of a slab, as ready frames. */
export function headFrames(stream: number, block: Buffer, isLast: boolean): Buffer {
  const count = Math.ceil(block.length / maxFrameBytes);
  const frames = Buffer.allocUnsafe(block.length + count * headBytes);
  for (let i = 0; i < count; i++) {
    const part = block.subarray(i * maxFrameBytes, (i + 1) * maxFrameBytes);
    const at = i * (maxFrameBytes + headBytes);
    const flags = (i === count - 1 ? frameFlag.endHeaders : 0) | (i === 0 && isLast ? frameFlag.endStream : 0);
    putHead(frames, at, {
      length: part.length,
      type: i === 0 ? frameType.headers : frameType.continuation,
      flags,
      stream,
    });
    frames.set(part, at + headBytes);
  }
  return frames;
}

/** What `putDate` writes. */
export const dateBytes = 32;
const date = { second: 0, field: Buffer.alloc(dateBytes) };

/** The header "date", made once a second: a literal with the name's index of the static table. */
export function putDate(target: Buffer, at: number, now: number): number {
  const second = Math.floor(now / 1000);
  if (second !== date.second) {
    const text = new Date(now).toUTCString();
    date.field = Buffer.concat([Buffer.from([15, 18, text.length]), Buffer.from(text, "latin1")]);
    date.second = second;
  }
  target.set(date.field, at);
  return at + date.field.length;
}
