// The frames of HTTP/2 (RFC 9113): numbers and heads. Pure.

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export const setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

export const errorCode = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
export const headBytes = 9;
/** What every peer takes, and all that is taken here: larger frames only make others wait longer. */
export const maxFrameBytes = 16_384;
export const maxWindow = 0x7fff_ffff;
/** What both sides start with; only that of streams can be changed by settings. */
export const defaultWindow = 65_535;

/** The connection cannot go on: it ends with GOAWAY. */
export class ConnectionError extends Error {
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

export const uint16At = (bytes: Uint8Array, at: number): number => (bytes[at]! << 8) | bytes[at + 1]!;
export const uint24At = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
export const uint32At = (bytes: Uint8Array, at: number): number => ((bytes[at]! << 24) | uint24At(bytes, at + 1)) >>> 0;
/** Without the first bit, which is reserved. */
export const uint31At = (bytes: Uint8Array, at: number): number => uint32At(bytes, at) & maxWindow;

export function putUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}

/** Writes the head of a frame; its payload follows from `at + headBytes`. */
export function putHead(
  target: Uint8Array,
  at: number,
  head: { readonly length: number; readonly type: number; readonly flags: number; readonly stream: number },
): void {
  target[at] = head.length >>> 16;
  target[at + 1] = head.length >>> 8;
  target[at + 2] = head.length;
  target[at + 3] = head.type;
  target[at + 4] = head.flags;
  putUint32(target, at + 5, head.stream);
}
