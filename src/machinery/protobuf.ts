// A protobuf codec driven by field tables: no generated code, no descriptors. Covers proto3 messages and proto2 messages
// without groups and extensions.

/** `[number, name, type]`; type is a scalar, a message or enum name, `repeated T`, or `map<K, V>`. */
export type FieldRow = readonly [number: number, name: string, type: string];

export interface MessageTable {
  readonly messages: Readonly<Record<string, readonly FieldRow[]>>;
  /** Enum name → value name → number. Enum values are strings in JavaScript; unknown numbers stay numbers. */
  readonly enums?: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Message name → groups of field names of which the last one on the wire wins. */
  readonly oneofs?: Readonly<Record<string, readonly (readonly string[])[]>>;
}

export interface CodecOptions {
  /** Fill absent scalars, lists and maps with their zero value (the meaning of proto3); messages stay undefined. */
  readonly zeroValues?: boolean;
}

/**
 * JavaScript forms: 64-bit integers are numbers while they are safe integers and bigints beyond; bytes are Uint8Array;
 * maps are plain objects; names in snake_case become camelCase. Undefined and null fields are not written.
 */
export interface Codec<T> {
  encode(message: T): Buffer;
  /** Unknown fields are skipped. Throws ProtobufError on anything malformed. */
  decode(bytes: Uint8Array): T;
}

export class ProtobufError extends Error {}

type Scalar =
  | "double"
  | "float"
  | "int32"
  | "int64"
  | "uint32"
  | "uint64"
  | "sint32"
  | "sint64"
  | "fixed32"
  | "fixed64"
  | "sfixed32"
  | "sfixed64"
  | "bool"
  | "string"
  | "bytes";

// Messages are plain records inside the codec; the typed face is Codec<T>.
type Fields = Record<string, unknown>;

interface ValueType {
  readonly wire: 0 | 1 | 2 | 5;
  readonly zero: unknown;
  write(writer: ProtobufWriter, value: unknown): void;
  read(reader: Reader, depth: number): unknown;
}

interface FieldPlan {
  readonly name: string;
  readonly tag: number;
  readonly shape: "single" | "repeated" | "map";
  readonly value: ValueType;
  readonly key: ValueType | undefined;
  readonly clears: readonly string[];
}

interface MessagePlan {
  readonly fields: readonly FieldPlan[];
  readonly byNumber: ReadonlyMap<number, FieldPlan>;
}

const maxDepth = 64;

const maxShort = 64;

/** A growing buffer of wire bytes; what is written lies in `buffer` up to `length`. */
export class ProtobufWriter {
  buffer = Buffer.allocUnsafe(512);
  length = 0;

  reserve(count: number): void {
    if (this.length + count <= this.buffer.length) return;
    const next = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + count));
    this.buffer.copy(next, 0, 0, this.length);
    this.buffer = next;
  }

  varint(value: number): void {
    this.reserve(10);
    let rest = value;
    while (rest > 127) {
      this.buffer[this.length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.buffer[this.length++] = rest;
  }

  varint64(value: bigint): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, value);
    while (rest > 127n) {
      this.buffer[this.length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.buffer[this.length++] = Number(rest);
  }

  /** Begins what gets its length in front; returns what `close` needs. */
  open(): number {
    // Room for the longest prefix, so that putting it in place never moves the buffer.
    this.reserve(10);
    return this.length++;
  }

  /** Ends what was opened there: its length is put in place. */
  close(start: number): void {
    const size = this.length - start - 1;
    const prefix = varintSize(size);
    if (prefix > 1) {
      this.reserve(prefix - 1);
      this.buffer.copyWithin(start + prefix, start + 1, this.length);
    }
    this.length = start;
    this.varint(size);
    this.length += size;
  }

  delimited(body: () => void): void {
    const start = this.open();
    body();
    this.close(start);
  }

  /** Text with its length in front. */
  string(value: string): void {
    const { length } = value;
    if (length > maxShort || !this.#shortAscii(value)) {
      const start = this.open();
      this.text(value);
      this.close(start);
    }
  }

  /** What most texts are is written faster here than by a call into Node. */
  #shortAscii(value: string): boolean {
    const { length } = value;
    this.reserve(1 + length);
    const { buffer } = this;
    const start = this.length + 1;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 127) return false;
      buffer[start + i] = code;
    }
    buffer[start - 1] = length;
    this.length = start + length;
    return true;
  }

  text(value: string): void {
    this.reserve(value.length * 3);
    this.length += this.buffer.write(value, this.length, "utf8");
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }
}

class Reader {
  readonly buffer: Buffer;
  position: number;
  end: number;

  constructor(bytes: Uint8Array) {
    this.buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = 0;
    this.end = bytes.byteLength;
  }

  take(count: number): number {
    const at = this.position;
    if (count > this.end - at) throw new ProtobufError("message is cut short");
    this.position = at + count;
    return at;
  }

  /** Any varint as an unsigned value: a number when it is a safe integer. */
  varint(): number | bigint {
    let value = 0;
    let scale = 1;
    for (let index = 0; index < 7; index++) {
      const byte = this.buffer[this.take(1)]!;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
    let big = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.buffer[this.take(1)]!;
      big |= BigInt(byte & 127) << shift;
      if (byte < 128) return narrow(BigInt.asUintN(64, big));
    }
    throw new ProtobufError("varint is too long");
  }

  size(): number {
    const size = this.varint();
    if (typeof size === "bigint" || size > this.end - this.position) throw new ProtobufError("length is out of bounds");
    return size;
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.take(8);
    else if (wire === 2) this.take(this.size());
    else if (wire === 5) this.take(4);
    else throw new ProtobufError(`wire type ${wire} is not supported`);
  }

  /** Runs `body` with the end set to that of the length-delimited part that starts here. */
  delimited<R>(body: () => R): R {
    const size = this.size();
    const outer = this.end;
    this.end = this.position + size;
    const result = body();
    this.end = outer;
    return result;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

const narrow = (value: bigint): number | bigint =>
  value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value;

const asNumber = (value: unknown): number => {
  if (typeof value === "number") return value;
  if (typeof value === "bigint" || typeof value === "string") return Number(value);
  throw new ProtobufError(`expected a number, got ${typeof value}`);
};

function asBigInt(value: unknown): bigint {
  if (typeof value === "bigint") return value;
  if ((typeof value === "number" && Number.isInteger(value)) || (typeof value === "string" && /^-?\d+$/.test(value)))
    return BigInt(value);
  throw new ProtobufError(`expected an integer, got ${String(value)}`);
}

function writeInteger(writer: ProtobufWriter, value: unknown): void {
  if (typeof value === "number" && value >= 0 && Number.isSafeInteger(value)) writer.varint(value);
  else writer.varint64(asBigInt(value));
}

const low32 = (value: number | bigint): number =>
  typeof value === "number" && value < 2 ** 32 ? value : Number(BigInt(value) & 0xffffffffn);

const fixed = (
  wire: 1 | 5,
  write: (buffer: Buffer, value: unknown, at: number) => void,
  read: (buffer: Buffer, at: number) => unknown,
): ValueType => ({
  wire,
  zero: 0,
  write(writer, value) {
    const size = wire === 1 ? 8 : 4;
    writer.reserve(size);
    write(writer.buffer, value, writer.length);
    writer.length += size;
  },
  read: (reader) => read(reader.buffer, reader.take(wire === 1 ? 8 : 4)),
});

const integer = (decode: (value: number | bigint) => unknown, encode: (value: unknown) => unknown): ValueType => ({
  wire: 0,
  zero: 0,
  write: (writer, value) => writeInteger(writer, encode(value)),
  read: (reader) => decode(reader.varint()),
});

const same = (value: unknown) => value;
const zigzag = (value: unknown): bigint => {
  const big = asBigInt(value);
  return big >= 0n ? big << 1n : (-big << 1n) - 1n;
};
const unzigzag = (value: number | bigint): number | bigint => {
  const big = BigInt(value);
  return narrow((big >> 1n) ^ -(big & 1n));
};

const scalars: Readonly<Record<Scalar, ValueType>> = {
  double: fixed(
    1,
    (b, v, at) => b.writeDoubleLE(asNumber(v), at),
    (b, at) => b.readDoubleLE(at),
  ),
  float: fixed(
    5,
    (b, v, at) => b.writeFloatLE(asNumber(v), at),
    (b, at) => b.readFloatLE(at),
  ),
  fixed32: fixed(
    5,
    (b, v, at) => b.writeUInt32LE(asNumber(v), at),
    (b, at) => b.readUInt32LE(at),
  ),
  sfixed32: fixed(
    5,
    (b, v, at) => b.writeInt32LE(asNumber(v), at),
    (b, at) => b.readInt32LE(at),
  ),
  fixed64: fixed(
    1,
    (b, v, at) => b.writeBigUInt64LE(asBigInt(v), at),
    (b, at) => narrow(b.readBigUInt64LE(at)),
  ),
  sfixed64: fixed(
    1,
    (b, v, at) => b.writeBigInt64LE(asBigInt(v), at),
    (b, at) => narrow(b.readBigInt64LE(at)),
  ),
  int32: integer((value) => low32(value) | 0, same),
  uint32: integer((value) => low32(value), same),
  int64: integer((value) => (typeof value === "number" ? value : narrow(BigInt.asIntN(64, value))), same),
  uint64: integer(same, same),
  sint32: integer((value) => Number(unzigzag(low32(value))), zigzag),
  sint64: integer(unzigzag, zigzag),
  bool: {
    wire: 0,
    zero: false,
    write: (writer, value) => writer.varint(value ? 1 : 0),
    read: (reader) => reader.varint() !== 0,
  },
  string: {
    wire: 2,
    zero: "",
    write(writer, value) {
      const text = String(value);
      const size = Buffer.byteLength(text);
      writer.varint(size);
      writer.text(text);
    },
    read(reader) {
      const at = reader.take(reader.size());
      return reader.buffer.toString("utf8", at, reader.position);
    },
  },
  bytes: {
    wire: 2,
    zero: new Uint8Array(0),
    write(writer, value) {
      const bytes = value as Uint8Array;
      writer.varint(bytes.length);
      writer.raw(bytes);
    },
    read(reader) {
      const at = reader.take(reader.size());
      return new Uint8Array(reader.buffer.subarray(at, reader.position));
    },
  },
};

function enumType(values: Readonly<Record<string, number>>): ValueType {
  const names = new Map(Object.entries(values).map(([name, number]) => [number, name]));
  return {
    wire: 0,
    zero: names.get(0) ?? 0,
    write(writer, value) {
      const number = typeof value === "string" ? values[value] : value;
      if (number === undefined) throw new ProtobufError(`unknown enum value ${String(value)}`);
      writeInteger(writer, number);
    },
    read(reader) {
      const number = low32(reader.varint()) | 0;
      return names.get(number) ?? number;
    },
  };
}

const camelCase = (name: string): string =>
  name.replace(/([a-z0-9])_([a-z0-9])/g, (_, before: string, after: string) => before + after.toUpperCase());

function compileField(row: FieldRow, typeOf: (name: string) => ValueType, oneofs: readonly (readonly string[])[]) {
  const [number, name, type] = row;
  const map = /^map<\s*(\w+)\s*,\s*([\w.]+)\s*>$/.exec(type);
  const repeated = type.startsWith("repeated ");
  const value = typeOf(map ? map[2]! : repeated ? type.slice(9) : type);
  const plan: FieldPlan = {
    name: camelCase(name),
    tag: number * 8 + (map ? 2 : value.wire),
    shape: map ? "map" : repeated ? "repeated" : "single",
    value,
    key: map ? typeOf(map[1]!) : undefined,
    clears: oneofs
      .flatMap((group) => (group.includes(name) ? group.filter((other) => other !== name) : []))
      .map(camelCase),
  };
  return [number, plan] as const;
}

function writeField(writer: ProtobufWriter, field: FieldPlan, value: unknown): void {
  if (field.shape === "single") {
    writer.varint(field.tag);
    field.value.write(writer, value);
  } else if (field.shape === "repeated") {
    for (const item of value as readonly unknown[]) {
      writer.varint(field.tag);
      field.value.write(writer, item);
    }
  } else {
    for (const [key, item] of Object.entries(value as object)) {
      writer.varint(field.tag);
      writer.delimited(() => {
        writer.varint(8 + field.key!.wire);
        field.key!.write(writer, key);
        writer.varint(16 + field.value.wire);
        field.value.write(writer, item);
      });
    }
  }
}

function writeMessage(writer: ProtobufWriter, plan: MessagePlan, message: Fields): void {
  for (const field of plan.fields) {
    const value = message[field.name];
    if (value !== undefined && value !== null) writeField(writer, field, value);
  }
}

function readMapEntry(reader: Reader, field: FieldPlan, into: Fields, depth: number): void {
  reader.delimited(() => {
    let key: unknown = field.key!.zero;
    let value: unknown = field.value.zero;
    while (reader.position < reader.end) {
      const tag = Number(reader.varint());
      if (tag === 8 + field.key!.wire) key = field.key!.read(reader, depth);
      else if (tag === 16 + field.value.wire) value = field.value.read(reader, depth);
      else reader.skip(tag & 7);
    }
    Object.defineProperty(into, String(key), { value, writable: true, enumerable: true, configurable: true });
  });
}

function readField(reader: Reader, field: FieldPlan, wire: number, message: Fields, depth: number): void {
  if (field.shape === "map") {
    if (wire !== 2) return reader.skip(wire);
    return readMapEntry(reader, field, (message[field.name] ??= {}) as Fields, depth);
  }
  const expected = field.value.wire;
  const packed = field.shape === "repeated" && wire === 2 && expected !== 2;
  if (wire !== expected && !packed) return reader.skip(wire);
  if (field.shape === "single") {
    message[field.name] = field.value.read(reader, depth);
    for (const other of field.clears) delete message[other];
    return;
  }
  const list = (message[field.name] ??= []) as unknown[];
  if (!packed) list.push(field.value.read(reader, depth));
  else
    reader.delimited(() => {
      while (reader.position < reader.end) list.push(field.value.read(reader, depth));
    });
}

function readMessage(reader: Reader, plan: MessagePlan, zeroValues: boolean, depth: number): Fields {
  if (depth > maxDepth) throw new ProtobufError("message is nested too deep");
  const message: Fields = {};
  while (reader.position < reader.end) {
    const tag = reader.varint();
    if (typeof tag === "bigint" || tag < 8) throw new ProtobufError("bad field number");
    const field = plan.byNumber.get(Math.floor(tag / 8));
    if (field) readField(reader, field, tag % 8, message, depth);
    else reader.skip(tag % 8);
  }
  if (zeroValues) fillZeroValues(plan, message);
  return message;
}

function fillZeroValues(plan: MessagePlan, message: Fields): void {
  for (const field of plan.fields) {
    if (message[field.name] !== undefined || field.clears.length > 0) continue;
    if (field.shape === "repeated") message[field.name] = [];
    else if (field.shape === "map") message[field.name] = {};
    else if (field.value.zero !== undefined) message[field.name] = field.value.zero;
  }
}

/** Compiles a table lazily: `codec(name)` throws when the message, or a type that it uses, is not in the table. */
export function defineMessages(table: MessageTable, options: CodecOptions = {}): <T>(message: string) => Codec<T> {
  const zeroValues = options.zeroValues ?? false;
  const plans = new Map<string, MessagePlan>();

  function planOf(name: string): MessagePlan {
    const known = plans.get(name);
    if (known) return known;
    const rows = table.messages[name];
    if (!rows) throw new ProtobufError(`unknown message type ${name}`);
    const fields: FieldPlan[] = [];
    const byNumber = new Map<number, FieldPlan>();
    const compiled = { fields, byNumber };
    plans.set(name, compiled);
    for (const row of rows) {
      const [number, plan] = compileField(row, typeOf, table.oneofs?.[name] ?? []);
      fields.push(plan);
      byNumber.set(number, plan);
    }
    return compiled;
  }

  function typeOf(name: string): ValueType {
    if (Object.hasOwn(scalars, name)) return scalars[name as Scalar];
    const values = table.enums?.[name];
    if (values) return enumType(values);
    const plan = planOf(name);
    return {
      wire: 2,
      zero: undefined,
      write: (writer, value) => writer.delimited(() => writeMessage(writer, plan, value as Fields)),
      read: (reader, depth) => reader.delimited(() => readMessage(reader, plan, zeroValues, depth + 1)),
    };
  }

  return <T>(name: string): Codec<T> => {
    const plan = planOf(name);
    return {
      encode(message) {
        const writer = new ProtobufWriter();
        writeMessage(writer, plan, message as Fields);
        return writer.buffer.subarray(0, writer.length);
      },
      decode: (bytes) => readMessage(new Reader(bytes), plan, zeroValues, 0) as T,
    };
  };
}
