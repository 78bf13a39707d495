// Reads Kubernetes' protobuf encoding into the JSON form of an object.
// Follows kubernetes v1.36 apimachinery/pkg/runtime/serializer/protobuf (envelope, special types).
import { badRequest } from "../../machinery/errors.ts";
import { rowsOf, type Row } from "./fields.ts";

export const protobufType = "application/vnd.kubernetes.protobuf";

type Fields = Record<string, unknown>;

const magic = Buffer.from("k8s\0");
const maxDepth = 100;

const plans = new Map<string, ReadonlyMap<number, Row>>();

function planOf(message: string): ReadonlyMap<number, Row> | undefined {
  let plan = plans.get(message);
  if (!plan) {
    const rows = rowsOf(message);
    if (rows) plans.set(message, (plan = new Map(rows.map((row) => [row[0], row]))));
  }
  return plan;
}

/** The object in an envelope. `schema` is the type expected, for example `core.v1.Pod`. Throws BadRequest. */
export function decodeProtobuf(
  bytes: Buffer,
  schemaOf: (apiVersion: string, kind: string) => string | undefined,
): unknown {
  if (bytes.length < 4 || !bytes.subarray(0, 4).equals(magic)) {
    throw badRequest("the body is not in Kubernetes' protobuf encoding: its prefix is missing");
  }
  const envelope = readEnvelope(new Reader(bytes, 4, bytes.length));
  const { apiVersion, kind } = envelope;
  const schema = schemaOf(apiVersion, kind);
  if (!schema || !planOf(schema))
    throw badRequest(`no kind ${JSON.stringify(kind)} is known in ${JSON.stringify(apiVersion)}`);
  return { apiVersion, kind, ...readMessage(envelope.raw, schema, 0) };
}

interface Envelope {
  apiVersion: string;
  kind: string;
  raw: Reader;
}

function readEnvelope(reader: Reader): Envelope {
  const envelope: Envelope = { apiVersion: "", kind: "", raw: reader.slice(0) };
  while (reader.more) {
    const { number, wire } = reader.tag();
    if (number === 1 && wire === 2) {
      const inner = reader.message();
      while (inner.more) {
        const field = inner.tag();
        if (field.wire !== 2) inner.skip(field.wire);
        else if (field.number === 1) envelope.apiVersion = inner.text();
        else if (field.number === 2) envelope.kind = inner.text();
        else inner.skip(2);
      }
    } else if (number === 2 && wire === 2) envelope.raw = reader.message();
    else reader.skip(wire);
  }
  return envelope;
}

const broken = (what: string) => badRequest(`the body is not valid protobuf: ${what}`);

/** A bounded view on wire bytes. Every read checks its end. */
class Reader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get more(): boolean {
    return this.#at < this.#end;
  }

  slice(length: number): Reader {
    return new Reader(this.#bytes, this.#at, this.#at + length);
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw broken("a number does not end");
  }

  /** Numbers of tags and lengths: small, so without bigints. */
  small(): number {
    let value = 0;
    for (let factor = 1; factor < 2 ** 35; factor *= 128) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw broken("a length does not end");
  }

  tag(): { number: number; wire: number } {
    const tag = this.small();
    return { number: Math.floor(tag / 8), wire: tag % 8 };
  }

  take(length: number): Buffer {
    if (length > this.#end - this.#at) throw broken("a field is longer than its message");
    const start = this.#at;
    this.#at += length;
    return this.#bytes.subarray(start, this.#at);
  }

  bytes(): Buffer {
    return this.take(this.small());
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  message(): Reader {
    const length = this.small();
    const start = this.#at;
    this.take(length);
    return new Reader(this.#bytes, start, start + length);
  }

  skip(wire: number): void {
    if (wire === 0) this.varint();
    else if (wire === 1) this.take(8);
    else if (wire === 2) this.bytes();
    else if (wire === 5) this.take(4);
    else throw broken(`wire type ${wire}`);
  }
}

function readMessage(reader: Reader, message: string, depth: number): Fields {
  const plan = planOf(message);
  if (!plan || depth > maxDepth) throw broken(plan ? "it is nested too deeply" : `unknown message ${message}`);
  const out: Fields = {};
  while (reader.more) {
    const { number, wire } = reader.tag();
    const row = plan.get(number);
    if (!row) reader.skip(wire);
    else readField(reader, out, row, { wire, depth });
  }
  return out;
}

function readField(reader: Reader, out: Fields, [, name, type, flag]: Row, at: { wire: number; depth: number }): void {
  if (type.startsWith("repeated ")) {
    const list = (out[name] ??= []) as unknown[];
    const item = type.slice(9);
    // Scalars may come packed.
    if (at.wire === 2 && isVarint(item)) {
      for (const packed = reader.message(); packed.more;) list.push(readValue(packed, item, 0, at.depth));
    } else list.push(readValue(reader, item, at.wire, at.depth));
    return;
  }
  if (type.startsWith("map ")) {
    const map = (out[name] ??= {}) as Fields;
    const [key, value] = readPair(reader.message(), type.slice(4), at.depth);
    Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
    return;
  }
  const value = readValue(reader, type, at.wire, at.depth);
  if (flag === 2) Object.assign(out, value);
  else if (value !== undefined && (flag === 1 || !isZero(value))) out[name] = value;
}

function readPair(reader: Reader, type: string, depth: number): [string, unknown] {
  let key = "";
  let value: unknown = type === "string" || type === "bytes" ? "" : undefined;
  while (reader.more) {
    const { number, wire } = reader.tag();
    if (number === 1) key = reader.text();
    else if (number === 2) value = readValue(reader, type, wire, depth);
    else reader.skip(wire);
  }
  return [key, value ?? (isVarint(type) ? 0 : {})];
}

const isZero = (value: unknown) => value === "" || value === 0 || value === false;
const isVarint = (type: string) =>
  type === "int32" || type === "int64" || type === "bool" || type === "uint32" || type === "uint64";

function readValue(reader: Reader, type: string, wire: number, depth: number): unknown {
  if (isVarint(type)) {
    if (wire !== 0) throw broken("a number has another wire type");
    const value = reader.varint();
    return type === "bool" ? value !== 0n : Number(BigInt.asIntN(64, value));
  }
  if (type === "double") return reader.take(8).readDoubleLE();
  if (type === "float") return reader.take(4).readFloatLE();
  if (wire !== 2) throw broken("a field has another wire type");
  if (type === "string") return reader.text();
  if (type === "bytes") return reader.bytes().toString("base64");
  const special = specials[type];
  return special ? special(reader.message(), depth) : readMessage(reader.message(), type, depth + 1);
}

/** Fields by number, of messages whose JSON form is not an object of them. */
function parts(reader: Reader): Map<number, bigint | Buffer> {
  const found = new Map<number, bigint | Buffer>();
  while (reader.more) {
    const { number, wire } = reader.tag();
    if (wire === 0) found.set(number, reader.varint());
    else if (wire === 2) found.set(number, reader.bytes());
    else reader.skip(wire);
  }
  return found;
}

const text = (part: bigint | Buffer | undefined) => (part instanceof Buffer ? part.toString("utf8") : "");
const int = (part: bigint | Buffer | undefined) => (typeof part === "bigint" ? Number(BigInt.asIntN(64, part)) : 0);

function readTime(reader: Reader, digits: number): string | undefined {
  const found = parts(reader);
  if (found.size === 0) return undefined;
  const seconds = int(found.get(1));
  // Go's zero time.
  if (seconds <= -62_135_596_800) return undefined;
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) throw broken("a time is out of range");
  const whole = date.toISOString().slice(0, 19);
  if (digits === 0) return `${whole}Z`;
  return `${whole}.${String(Math.floor(int(found.get(2)) / 1000)).padStart(digits, "0")}Z`;
}

const specials: Readonly<Record<string, (reader: Reader, depth: number) => unknown>> = {
  time: (reader) => readTime(reader, 0),
  time6: (reader) => readTime(reader, 6),
  quantity: (reader) => text(parts(reader).get(1)),
  intOrString(reader) {
    const found = parts(reader);
    return int(found.get(1)) === 1 ? text(found.get(3)) : int(found.get(2));
  },
  raw(reader) {
    const json = text(parts(reader).get(1));
    if (json === "") return undefined;
    try {
      return JSON.parse(json) as unknown;
    } catch {
      throw broken("an embedded object is not JSON");
    }
  },
  "authentication.v1.ExtraValue": items("authentication.v1.ExtraValue"),
  "authorization.v1.ExtraValue": items("authorization.v1.ExtraValue"),
  "certificates.v1.ExtraValue": items("certificates.v1.ExtraValue"),
  "meta.v1.Verbs": items("meta.v1.Verbs"),
  "apiextensions.v1.JSONSchemaPropsOrArray": either(
    "JSONSchemaPropsOrArray",
    ({ schema, jSONSchemas }) => schema ?? jSONSchemas,
  ),
  "apiextensions.v1.JSONSchemaPropsOrBool": either(
    "JSONSchemaPropsOrBool",
    ({ schema, allows }) => schema ?? allows ?? false,
  ),
  "apiextensions.v1.JSONSchemaPropsOrStringArray": either(
    "JSONSchemaPropsOrStringArray",
    ({ schema, property }) => schema ?? property,
  ),
};

function items(message: string) {
  return (reader: Reader, depth: number) => readMessage(reader, message, depth + 1).items ?? [];
}

function either(name: string, pick: (fields: Fields) => unknown) {
  return (reader: Reader, depth: number) => pick(readMessage(reader, `apiextensions.v1.${name}`, depth + 1));
}
