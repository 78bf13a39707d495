// Objects as JSON, in parts. What many objects share, a pod's spec and who owns its fields, is encoded once and in memory once.
import type { KubeObject, ManagedFieldsEntry } from "../machinery/object.ts";

type Json = Record<string, unknown>;

/** Bytes may be those of other objects too, texts are an object's own. */
export type JsonPart = string | Buffer;

/** The JSON of an object: its parts, one after the other. */
export interface Encoded {
  readonly parts: readonly JsonPart[];
  /** All bytes. */
  readonly length: number;
  /** Those that are not in memory already. */
  readonly bytes: number;
}

/** The bytes of the parts met last that are shared, by their identity: parts are immutable. */
const known = new Map<object, Buffer>();
const maxKnown = 256;
/** Shorter texts are made as fast as found, longer ones would be too much to keep. */
const [minLength, maxLength] = [256, 16_384];

/** The parts met last: one that is met again is shared. */
let [met, metBefore] = [new Set<object>(), new Set<object>()];
const maxMet = 512;

function isMetAgain(part: object): boolean {
  if (met.has(part) || metBefore.has(part)) return true;
  if (met.size >= maxMet) [met, metBefore] = [new Set(), met];
  met.add(part);
  return false;
}

class Parts {
  readonly #done: JsonPart[] = [];
  #text = "";
  #length = 0;
  #shared = 0;

  add(text: string): void {
    this.#text += text;
  }

  /** A value that may be shared with other objects, as such or, when it is `deep`, some of its members. */
  addPart(part: unknown, deep: boolean): void {
    if (typeof part !== "object" || part === null) return this.add(JSON.stringify(part));
    const bytes = known.get(part);
    if (bytes) {
      this.#shared += bytes.length;
      return this.#addBytes(bytes);
    }
    const isShared = isMetAgain(part);
    if (!isShared && deep && !Array.isArray(part)) {
      return addMembers(this, part as Json, (member) => this.addPart(member, false));
    }
    const text = JSON.stringify(part);
    if (isShared && text.length >= minLength && text.length <= maxLength) this.#addBytes(know(part, text));
    else this.add(text);
  }

  #addBytes(bytes: Buffer): void {
    this.#flush();
    this.#done.push(bytes);
    this.#length += bytes.length;
  }

  #flush(): void {
    if (this.#text === "") return;
    this.#done.push(this.#text);
    this.#length += Buffer.byteLength(this.#text);
    this.#text = "";
  }

  encoded(): Encoded {
    this.#flush();
    return { parts: this.#done, length: this.#length, bytes: this.#length - this.#shared };
  }
}

function know(part: object, text: string): Buffer {
  // In memory of its own: a part of Node's shared pool would keep all of that alive.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  if (known.size >= maxKnown) known.delete(known.keys().next().value!);
  known.set(part, bytes);
  return bytes;
}

/** What JSON.stringify gives, but for `managedFields` and `fieldsV1`, which come last where they are. */
export function encodeJson(object: KubeObject): Encoded {
  const parts = new Parts();
  addMembers(parts, object as KubeObject & Json, (member, key) => {
    if (key === "metadata") addMetadata(parts, member as KubeObject["metadata"]);
    else parts.addPart(member, true);
  });
  return parts.encoded();
}

export function joined({ parts, length }: Encoded): Buffer {
  const out = Buffer.allocUnsafe(length);
  let at = 0;
  for (const part of parts) at += typeof part === "string" ? out.write(part, at) : part.copy(out, at);
  return out;
}

function addMembers(parts: Parts, object: Json, add: (member: unknown, key: string) => void): void {
  let before = "{";
  for (const key in object) {
    const member = object[key];
    if (member === undefined) continue;
    parts.add(`${before}${JSON.stringify(key)}:`);
    add(member, key);
    before = ",";
  }
  parts.add(before === "{" ? "{}" : "}");
}

function addMetadata(parts: Parts, metadata: KubeObject["metadata"]): void {
  if (!metadata?.managedFields?.length) return parts.add(JSON.stringify(metadata));
  const { managedFields, ...rest } = metadata;
  addOpen(parts, rest, "managedFields");
  managedFields.forEach((entry, i) => {
    parts.add(i === 0 ? "[" : ",");
    addEntry(parts, entry);
  });
  parts.add("]}");
}

function addEntry(parts: Parts, entry: ManagedFieldsEntry): void {
  const { fieldsV1, ...rest } = entry;
  if (typeof fieldsV1 !== "object" || fieldsV1 === null || Array.isArray(fieldsV1))
    return parts.add(JSON.stringify(entry));
  addOpen(parts, rest, "fieldsV1");
  addMembers(parts, fieldsV1 as Json, (member) => parts.addPart(member, true));
  parts.add("}");
}

/** An object up to the value of one more property. */
function addOpen(parts: Parts, object: object, name: string): void {
  const head = JSON.stringify(object).slice(0, -1);
  parts.add(`${head}${head.length > 1 ? "," : ""}"${name}":`);
}
