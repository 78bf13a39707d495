// The OpenAPI v2 document in the protobuf form that old clients insist on (kubectl before 1.27).
// Wire facts: gnostic's OpenAPIv2.proto, message by message; extensions travel as YAML, of which JSON is a part.
import { inTurns } from "../../machinery/turn.ts";
import type { DocumentV2 } from "./documents.ts";
import type { Schema } from "./definitions.ts";

/** Nested messages as lists of encoded fields; joined once at the end. */
type Encoded = readonly Buffer[];

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}

const bytesField = (number: number, content: Buffer): Buffer =>
  Buffer.concat([varint(number * 8 + 2), varint(content.length), content]);
const message = (number: number, fields: Encoded): Buffer => bytesField(number, Buffer.concat(fields));
const text = (number: number, value: unknown): Encoded =>
  typeof value === "string" && value !== "" ? [bytesField(number, Buffer.from(value))] : [];
const flag = (number: number, value: unknown): Encoded =>
  value === true ? [Buffer.concat([varint(number * 8), varint(1)])] : [];
const texts = (number: number, values: unknown): Encoded =>
  Array.isArray(values) ? values.flatMap((value) => text(number, value)) : [];
const whole = (number: number, value: unknown): Encoded =>
  typeof value === "number" && value >= 0 ? [Buffer.concat([varint(number * 8), varint(value)])] : [];

function double(number: number, value: unknown): Encoded {
  if (typeof value !== "number") return [];
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [Buffer.concat([varint(number * 8 + 1), bytes])];
}

/** Any { yaml = 2 } */
const any = (number: number, value: unknown): Encoded =>
  value === undefined ? [] : [message(number, text(2, JSON.stringify(value)))];

/** NamedAny { name = 1; value = 2 } for each x- key. */
const vendorExtensions = (number: number, owner: Schema): Encoded =>
  Object.entries(owner)
    .filter(([key]) => key.startsWith("x-"))
    .map(([key, value]) => message(number, [...text(1, key), ...any(2, value)]));

type Encode = (value: Schema) => Encoded;

const namedField =
  (number: number, encode: Encode) =>
  ([name, value]: [string, Schema]): Buffer =>
    message(number, [...text(1, name), message(2, encode(value))]);

const named = (number: number, entries: Record<string, Schema>, encode: Encode): Encoded =>
  Object.entries(entries).map(namedField(number, encode));

function schemaFields(schema: Schema): Encoded {
  const { additionalProperties, items, properties, type } = schema;
  return [
    ...text(1, schema.$ref),
    ...text(2, schema.format),
    ...text(3, schema.title),
    ...text(4, schema.description),
    ...any(5, schema.default),
    ...double(7, schema.maximum),
    ...double(9, schema.minimum),
    ...whole(11, schema.maxLength),
    ...whole(12, schema.minLength),
    ...text(13, schema.pattern),
    ...whole(14, schema.maxItems),
    ...whole(15, schema.minItems),
    ...flag(16, schema.uniqueItems),
    ...texts(19, schema.required),
    ...(Array.isArray(schema.enum) ? schema.enum.flatMap((value) => any(20, value)) : []),
    ...(isSchema(additionalProperties) ? [message(21, [message(1, schemaFields(additionalProperties))])] : []),
    ...(additionalProperties === true ? [message(21, flag(2, true))] : []),
    ...(type !== undefined ? [message(22, texts(1, [type].flat()))] : []),
    ...(isSchema(items) ? [message(23, [message(1, schemaFields(items))])] : []),
    ...(isSchema(properties) ? [message(25, named(1, properties as Record<string, Schema>, schemaFields))] : []),
    ...vendorExtensions(31, schema),
  ];
}

const isSchema = (value: unknown): value is Schema =>
  value !== null && typeof value === "object" && !Array.isArray(value);

/** ParametersItem { parameter = 1 } → Parameter { body_parameter = 1; non_body_parameter = 2 } → by place. */
function parameterFields(parameter: Schema): Encoded {
  const { name, in: place, required, description, type, schema } = parameter;
  if (place === "body") {
    const body = [...text(1, description), ...text(2, name), ...text(3, place), ...flag(4, required)];
    return [message(1, [message(1, [...body, message(5, schemaFields(schema as Schema))])])];
  }
  const common = [...flag(1, required), ...text(2, place), ...text(3, description), ...text(4, name)];
  // QueryParameterSubSchema has allow_empty_value as field 5, which moves the type by one.
  const kind = place === "path" ? message(4, [...common, ...text(5, type)]) : message(3, [...common, ...text(6, type)]);
  return [message(1, [message(2, [kind])])];
}

/** Response { description = 1; schema = 2 } by code. */
function responsesFields(responses: Record<string, Schema>): Encoded {
  return Object.entries(responses).map(([code, { description, schema }]) => {
    const answer = [...text(1, description), message(2, [message(1, schemaFields(schema as Schema))])];
    return message(1, [...text(1, code), message(2, [message(1, answer)])]);
  });
}

function operationFields(operation: Schema): Encoded {
  return [
    ...texts(1, operation.tags),
    ...text(3, operation.description),
    ...text(5, operation.operationId),
    ...texts(6, operation.produces),
    ...texts(7, operation.consumes),
    ...(operation.parameters as Schema[]).map((parameter) => message(8, parameterFields(parameter))),
    message(9, responsesFields(operation.responses as Record<string, Schema>)),
    ...vendorExtensions(13, operation),
  ];
}

const methodNumbers = { get: 2, put: 3, post: 4, delete: 5, patch: 8 } as const;

function pathFields(item: Schema): Encoded {
  const operations = Object.entries(methodNumbers).flatMap(([method, number]) =>
    isSchema(item[method]) ? [message(number, operationFields(item[method]))] : [],
  );
  return [...operations, ...(item.parameters as Schema[]).map((parameter) => message(9, parameterFields(parameter)))];
}

/** Made with pauses, as it is large. */
export async function encodeDocument(document: DocumentV2): Promise<Buffer> {
  return Buffer.concat([
    ...text(1, document.swagger),
    message(2, [...text(1, document.info.title), ...text(2, document.info.version)]),
    message(8, await inTurns(Object.entries(document.paths), namedField(2, pathFields))),
    message(9, await inTurns(Object.entries(document.definitions), namedField(1, schemaFields))),
  ]);
}
