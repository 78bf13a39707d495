// Objects as JSON bytes. What many objects share, a pod's spec and who owns its fields, is put into words once.
import type { KubeObject } from "../machinery/object.ts";

/** The texts of the parts met last, by their identity: parts are immutable. */
const texts = new Map<object, string>();
const maxTexts = 64;
/** Shorter texts are made as fast as found, longer ones would be too much to keep. */
const [minLength, maxLength] = [256, 16_384];

/** JSON in memory of its own: a part of Node's shared pool would keep all of that alive. */
export function encodeJson(object: KubeObject): Buffer {
  const text = textOf(object);
  const buffer = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  buffer.write(text);
  return buffer;
}

/** What JSON.stringify gives, but for managedFields, which come last in the metadata. */
export function textOf(object: KubeObject): string {
  const parts = object as KubeObject & Record<string, unknown>;
  let out = "";
  for (const key in parts) {
    const part = parts[key];
    if (part === undefined) continue;
    out += `${out ? "," : "{"}${JSON.stringify(key)}:${key === "metadata" ? metadataText(object) : partText(part)}`;
  }
  return out ? `${out}}` : "{}";
}

function metadataText({ metadata }: KubeObject): string {
  if (!metadata?.managedFields?.length) return JSON.stringify(metadata);
  const { managedFields, ...rest } = metadata;
  const head = JSON.stringify(rest).slice(0, -1);
  return `${head}${head.length > 1 ? "," : ""}"managedFields":[${managedFields.map(partText).join(",")}]}`;
}

function partText(part: unknown): string {
  if (typeof part !== "object" || part === null) return JSON.stringify(part);
  const known = texts.get(part);
  if (known !== undefined) return known;
  const text = JSON.stringify(part);
  if (text.length < minLength || text.length > maxLength) return text;
  if (texts.size >= maxTexts) texts.delete(texts.keys().next().value!);
  texts.set(part, text);
  return text;
}
