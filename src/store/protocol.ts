// What the store's main-thread half and its worker thread say to each other.

/** Rows and their values: `bytes` holds these one after the other, and is handed over. */
export interface PackedRows {
  readonly rows: readonly PackedRow[];
  readonly bytes: ArrayBuffer;
}

export type Request =
  | { readonly type: "commit"; readonly id: number; readonly batch: PackedBatch; readonly bytes: ArrayBuffer }
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

export interface PackedBatch {
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
}
