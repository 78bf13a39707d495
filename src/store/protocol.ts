// What the store's main-thread half and its worker thread say to each other.

/** Rows and their values: `bytes` holds these one after the other, and is handed over. */
export interface PackedRows {
  readonly rows: readonly PackedRow[];
  readonly bytes: ArrayBuffer;
}

/**
 * How the main thread wakes the worker, which sleeps on the first number and is not reachable by messages meanwhile: it
 * is raised with every request. Batches go through memory that both see, which costs a third of a message; the second
 * number is the length of the batch there, 0 when there is none.
 */
export class Doorbell {
  readonly memory: SharedArrayBuffer;
  readonly #state: Int32Array;
  /** Room for one batch. */
  readonly bytes: Buffer;

  constructor(memory = new SharedArrayBuffer(sharedBytes)) {
    this.memory = memory;
    this.#state = new Int32Array(memory, 0, 2);
    this.bytes = Buffer.from(memory, 8);
  }

  ring(batchLength?: number): void {
    if (batchLength !== undefined) Atomics.store(this.#state, 1, batchLength);
    Atomics.add(this.#state, 0, 1);
    Atomics.notify(this.#state, 0);
  }

  /** Sleeps until the bell has rung since `rings`; returns how often it has. */
  wait(rings: number): number {
    Atomics.wait(this.#state, 0, rings);
    return Atomics.load(this.#state, 0);
  }

  /** The batch that was handed over, once. */
  takeBatch(): Buffer | undefined {
    const length = Atomics.exchange(this.#state, 1, 0);
    return length > 0 ? this.bytes.subarray(0, length) : undefined;
  }
}

/** Room for some 200 objects; more go in a message. Memory that was never written to is none. */
const sharedBytes = 1 << 20;

export type Request =
  /** A batch that the shared memory has no room for. */
  | { readonly type: "commit"; readonly batch: Uint8Array }
  /** Answered with the next rows after a revision, none at the end. */
  | { readonly type: "read"; readonly id: number; readonly after: number }
  /** Gives rows that are still there other values. */
  | ({ readonly type: "replace"; readonly id: number } & PackedRows)
  /** Removes what deleted and replaced values left in the file. */
  | { readonly type: "scrub"; readonly id: number }
  | { readonly type: "backup"; readonly id: number; readonly file: string }
  | { readonly type: "close"; readonly id: number };

/** Row as a tuple, for cheap cloning: revision, create revision, flags, collection, namespace, name, value length. */
export type PackedRow = readonly [number, number, number, string, string, string, number];

export const flagDeleted = 1;
export const flagAheadInMemory = 2;

/** Also as bytes: the length of its JSON, its JSON, and the values of the rows one after the other. */
export interface PackedBatch {
  readonly id: number;
  readonly rows: readonly PackedRow[];
  readonly garbage: readonly number[];
  readonly settled: readonly number[];
  readonly counters: readonly (readonly [string, number])[];
}

export interface Failure {
  readonly code: "unavailable" | "damaged";
  readonly message: string;
}

export type Reply =
  /** Sent once before all rows. */
  | { readonly type: "counters"; readonly reserved: number; readonly compacted: number }
  /** Sent as often as needed while opening, in revision order. */
  | ({ readonly type: "rows" } & PackedRows)
  | { readonly type: "opened" }
  | { readonly type: "failedToOpen"; readonly failure: Failure }
  | { readonly type: "done"; readonly id: number; readonly read?: PackedRows }
  | { readonly type: "failed"; readonly id: number; readonly failure: Failure };

export interface WorkerInput {
  readonly file: string;
  readonly doorbell: SharedArrayBuffer;
}
