// Writes API objects in Kubernetes' protobuf encoding, straight from their JSON form.
// Follows kubernetes v1.36 apimachinery/pkg/runtime/serializer/protobuf (envelope, frames of a watch, special types).
import { ProtobufWriter } from "../../machinery/protobuf.ts";
import { rowsOf, type Row } from "./fields.ts";

type Fields = Readonly<Record<string, unknown>>;
type WriteValue = (writer: ProtobufWriter, value: unknown) => void;

interface FieldPlan {
  readonly name: string;
  readonly write: WriteValue;
  /** The fields of the message lie in its parent. */
  readonly inlined: boolean;
}

const plans = new Map<string, readonly FieldPlan[]>();

/** Whether objects of this schema type (`core.v1.Pod`) have a protobuf form. */
export const hasProtobuf = (schema: string): boolean => rowsOf(schema) !== undefined;

/** The message of an object, without envelope. `schema` must have a protobuf form. */
export function encodeMessage(schema: string, object: object): Buffer {
  const writer = spare;
  writer.length = 0;
  writeMessage(writer, schema, object as Fields);
  const message = Buffer.from(writer.buffer.subarray(0, writer.length));
  if (writer.buffer.length > maxSpareBytes) spare = new ProtobufWriter();
  return message;
}

/** Grown once, it fits most messages. */
let spare = new ProtobufWriter();
const maxSpareBytes = 256 * 1024;

/** What precedes a message of `messageBytes` in a response: magic, type and the length of what follows. */
export function envelopeHead(apiVersion: string, kind: string, messageBytes: number): Buffer {
  const writer = new ProtobufWriter();
  writer.text("k8s\0");
  delimited(writer, 1, () => {
    textField(writer, 1, apiVersion);
    textField(writer, 2, kind);
  });
  writer.varint(2 * 8 + 2);
  writer.varint(messageBytes);
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** A whole body: the object of `schema` in its envelope. */
export function encodeProtobuf(schema: string, object: { apiVersion: string; kind: string }): Buffer {
  const message = encodeMessage(schema, object);
  return Buffer.concat([envelopeHead(object.apiVersion, object.kind, message.length), message]);
}

/** What precedes an item of `itemBytes` in the list message. */
export function itemHead(itemBytes: number): Buffer {
  const writer = new ProtobufWriter();
  writer.varint(2 * 8 + 2);
  writer.varint(itemBytes);
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** The metadata field that opens a list message. */
export function listMetadata(metadata: object): Buffer {
  const writer = new ProtobufWriter();
  delimited(writer, 1, () => writeMessage(writer, "meta.v1.ListMeta", metadata as Fields));
  return Buffer.from(writer.buffer.subarray(0, writer.length));
}

/** One frame of a watch: four bytes of length, then a WatchEvent around the enveloped object. */
export function watchFrame(type: string, body: Uint8Array): Buffer {
  const writer = new ProtobufWriter();
  textField(writer, 1, type);
  delimited(writer, 2, () => delimited(writer, 1, () => writer.raw(body)));
  const frame = Buffer.allocUnsafe(4 + writer.length);
  frame.writeUInt32BE(writer.length);
  writer.buffer.copy(frame, 4, 0, writer.length);
  return frame;
}

function delimited(writer: ProtobufWriter, number: number, body: () => void): void {
  writer.varint(number * 8 + 2);
  writer.delimited(body);
}

function textField(writer: ProtobufWriter, number: number, value: string): void {
  writer.varint(number * 8 + 2);
  writer.string(value);
}

function planOf(message: string): readonly FieldPlan[] {
  let plan = plans.get(message);
  if (!plan) {
    const rows = rowsOf(message);
    if (!rows) throw new Error(`${message} has no protobuf form`);
    plans.set(message, (plan = rows.map(fieldPlan)));
  }
  return plan;
}

const writeMessage = (writer: ProtobufWriter, message: string, fields: Fields): void =>
  writeFields(writer, planOf(message), fields);

function writeFields(writer: ProtobufWriter, plan: readonly FieldPlan[], fields: Fields): void {
  for (const { name, write, inlined } of plan) {
    const value = inlined ? fields : fields[name];
    if (value !== undefined && value !== null) write(writer, value);
  }
}

/** Types refer to each other in circles, so a plan is looked up when the first message comes. */
function messageBody(type: string): WriteValue {
  let plan: readonly FieldPlan[] | undefined;
  return (writer, value) => writeFields(writer, (plan ??= planOf(type)), value as Fields);
}

function fieldPlan([number, name, type, flag]: Row): FieldPlan {
  const inlined = flag === 2;
  if (type.startsWith("repeated ")) {
    const one = single(number, type.slice(9));
    return { name, inlined, write: (writer, list) => (list as unknown[]).forEach((item) => one(writer, item)) };
  }
  if (type.startsWith("map ")) {
    const tag = number * 8 + 2;
    const valueField = single(2, type.slice(4));
    const write: WriteValue = (writer, map) => {
      for (const [key, value] of Object.entries(map as object)) {
        writer.varint(tag);
        const start = writer.open();
        textField(writer, 1, key);
        valueField(writer, value);
        writer.close(start);
      }
    };
    return { name, inlined, write };
  }
  return { name, inlined, write: single(number, type) };
}

/** Writes one value with its tag. */
function single(number: number, type: string): WriteValue {
  const scalar = scalars[type];
  if (scalar) {
    const tag = number * 8 + scalar.wire;
    return (writer, value) => {
      writer.varint(tag);
      scalar.write(writer, value);
    };
  }
  const body = specials[type] ?? messageBody(type);
  const tag = number * 8 + 2;
  return (writer, value) => {
    writer.varint(tag);
    const start = writer.open();
    body(writer, value);
    writer.close(start);
  };
}

const integer = {
  wire: 0,
  write(writer: ProtobufWriter, value: unknown) {
    const number = Number(value);
    if (number >= 0 && Number.isSafeInteger(number)) writer.varint(number);
    else writer.varint64(BigInt(Math.trunc(number)));
  },
};

const scalars: Readonly<Record<string, { readonly wire: number; readonly write: WriteValue }>> = {
  int32: integer,
  int64: integer,
  bool: { wire: 0, write: (writer, value) => writer.varint(value ? 1 : 0) },
  double: { wire: 1, write: (writer, value) => writer.double(Number(value)) },
  string: { wire: 2, write: (writer, value) => writer.string(String(value)) },
  bytes: {
    wire: 2,
    write: (writer, value) => writer.delimited(() => writer.raw(Buffer.from(String(value), "base64"))),
  },
};

const timeSeconds = single(1, "int64");
const timeNanos = single(2, "int32");
const text1 = single(1, "string");
const kindOfValue = single(1, "int32");
const numberValue = single(2, "int32");
const textValue = single(3, "string");

const writeTime =
  (withFraction: boolean): WriteValue =>
  (writer, value) => {
    const milliseconds = Date.parse(String(value));
    if (Number.isNaN(milliseconds)) return;
    timeSeconds(writer, Math.floor(milliseconds / 1000));
    const fraction = withFraction ? /\.(\d+)/.exec(String(value))?.[1] : undefined;
    if (fraction) timeNanos(writer, Number(fraction.slice(0, 9).padEnd(9, "0")));
  };

const stringItems: WriteValue = (writer, value) => {
  for (const item of value as unknown[]) text1(writer, item);
};

const schemaAt =
  (number: number): WriteValue =>
  (writer, value) =>
    delimited(writer, number, () => writeMessage(writer, "apiextensions.v1.JSONSchemaProps", value as Fields));
const schemaAt1 = schemaAt(1);
const schemaAt2 = schemaAt(2);
const textAt2 = single(2, "string");
const boolAt1 = single(1, "bool");

/** Messages whose JSON form is not an object of their fields. */
const specials: Readonly<Record<string, WriteValue>> = {
  time: writeTime(false),
  time6: writeTime(true),
  quantity: (writer, value) => text1(writer, value),
  intOrString(writer, value) {
    const isText = typeof value === "string";
    kindOfValue(writer, isText ? 1 : 0);
    if (isText) textValue(writer, value);
    else numberValue(writer, value);
  },
  raw: (writer, value) => text1(writer, JSON.stringify(value)),
  "authentication.v1.ExtraValue": stringItems,
  "authorization.v1.ExtraValue": stringItems,
  "certificates.v1.ExtraValue": stringItems,
  "meta.v1.Verbs": stringItems,
  "apiextensions.v1.JSONSchemaPropsOrArray"(writer, value) {
    if (Array.isArray(value)) for (const schema of value) schemaAt2(writer, schema);
    else schemaAt1(writer, value);
  },
  "apiextensions.v1.JSONSchemaPropsOrBool"(writer, value) {
    boolAt1(writer, value !== false);
    if (typeof value === "object") schemaAt2(writer, value);
  },
  "apiextensions.v1.JSONSchemaPropsOrStringArray"(writer, value) {
    if (Array.isArray(value)) for (const name of value) textAt2(writer, name);
    else schemaAt1(writer, value);
  },
};
