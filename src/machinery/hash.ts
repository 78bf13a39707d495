// Stable hashes of JSON values, as in the names of ReplicaSets and ControllerRevisions.
import { safeEncode } from "./names.ts";

/** 32-bit FNV-1a of the UTF-8 bytes. */
export function fnv32a(text: string): number {
  const bytes = Buffer.from(text);
  let hash = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return hash >>> 0;
}

/** JSON with sorted keys and without undefined properties: equal values give equal texts. */
export function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== "object" || item === null || Array.isArray(item)) return item;
    const source = item as Record<string, unknown>;
    return Object.fromEntries(
      Object.keys(source)
        .sort()
        .map((key) => [key, source[key]]),
    );
  });
}

/** A short text that is the same for equal values, fit for names and labels; `collisionCount` gives another one. */
export const stableHash = (value: unknown, collisionCount?: number): string =>
  safeEncode(String(fnv32a(stableJson(value) + (collisionCount ? `#${collisionCount}` : ""))));
