// Objects as JSON bytes. What many objects share, a pod's spec and who owns its fields, is encoded once.
import type { KubeObject, ManagedFieldsEntry } from "../machinery/object.ts";

type Json = Record<string, unknown>;

/** The bytes of the large parts met last, by their identity: parts are immutable. */
const known = new Map<object, Buffer>();
const maxKnown = 64;
/** Shorter texts are made as fast as found, longer ones would be too much to keep. */
const [minLength, maxLength] = [256, 16_384];

/** Text, and bytes known before, one after the other. */
class Pieces {
  readonly #done: (string | Buffer)[] = [];
  #text = "";
  #length = 0;

  add(text: string): void {
    this.#text += text;
  }

  /** A value that may be shared with other objects. */
  addPart(part: unknown): void {
    const bytes = typeof part === "object" && part !== null ? known.get(part) : undefined;
    if (bytes) this.#addBytes(bytes);
    else this.#addFresh(part, JSON.stringify(part));
  }

  #addFresh(part: unknown, text: string): void {
    if (text.length < minLength || text.length > maxLength || typeof part !== "object") return this.add(text);
    const bytes = Buffer.from(text);
    if (known.size >= maxKnown) known.delete(known.keys().next().value!);
    known.set(part!, bytes);
    this.#addBytes(bytes);
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

  /** All of it, in memory of its own: a part of Node's shared pool would keep all of that alive. */
  joined(): Buffer {
    this.#flush();
    const out = Buffer.allocUnsafeSlow(this.#length);
    let at = 0;
    for (const piece of this.#done) at += typeof piece === "string" ? out.write(piece, at) : piece.copy(out, at);
    return out;
  }
}

/** The bytes of what JSON.stringify gives, but for `managedFields` and `fieldsV1`, which come last where they are. */
export function encodeJson(object: KubeObject): Buffer {
  const pieces = new Pieces();
  addParts(pieces, object as KubeObject & Json, (part, key) => {
    if (key === "metadata") addMetadata(pieces, part as KubeObject["metadata"]);
    else pieces.addPart(part);
  });
  return pieces.joined();
}

function addParts(pieces: Pieces, object: Json, add: (part: unknown, key: string) => void): void {
  let before = "{";
  for (const key in object) {
    const part = object[key];
    if (part === undefined) continue;
    pieces.add(`${before}${JSON.stringify(key)}:`);
    add(part, key);
    before = ",";
  }
  pieces.add(before === "{" ? "{}" : "}");
}

function addMetadata(pieces: Pieces, metadata: KubeObject["metadata"]): void {
  if (!metadata?.managedFields?.length) return pieces.add(JSON.stringify(metadata));
  const { managedFields, ...rest } = metadata;
  addOpen(pieces, rest, "managedFields");
  managedFields.forEach((entry, i) => {
    pieces.add(i === 0 ? "[" : ",");
    addEntry(pieces, entry);
  });
  pieces.add("]}");
}

function addEntry(pieces: Pieces, entry: ManagedFieldsEntry): void {
  const { fieldsV1, ...rest } = entry;
  if (typeof fieldsV1 !== "object" || fieldsV1 === null || Array.isArray(fieldsV1))
    return pieces.add(JSON.stringify(entry));
  addOpen(pieces, rest, "fieldsV1");
  addParts(pieces, fieldsV1 as Json, (part) => pieces.addPart(part));
  pieces.add("}");
}

/** An object up to the value of one more property. */
function addOpen(pieces: Pieces, object: object, name: string): void {
  const head = JSON.stringify(object).slice(0, -1);
  pieces.add(`${head}${head.length > 1 ? "," : ""}"${name}":`);
}
