// Descriptions of types and fields, read from the doc comments of the JavaScript client where that package is installed.
import { readFile } from "node:fs/promises";

export interface TypeDescription {
  readonly type?: string;
  /** By name of the field without its punctuation: the package spells `$ref` and `x-kubernetes-…` in its own way. */
  readonly fields: ReadonlyMap<string, string>;
}

/** Type name (`core.v1.Pod`) → what the package says about it. */
export type Descriptions = ReadonlyMap<string, TypeDescription>;

/** URL of the folder with the package's types, ending in a slash; undefined where the package is not installed. */
export function descriptionSource(name = "@kubernetes/client-node"): string | undefined {
  try {
    return new URL("gen/models/", import.meta.resolve(name)).href;
  } catch {
    return undefined;
  }
}

/** Files read at a time; the event loop turns between them. */
const filesAtOnce = 32;

/** Reads what is known about the types; types without a file are left out. */
export async function readDescriptions(typeNames: readonly string[], source: string): Promise<Descriptions> {
  const found = new Map<string, TypeDescription>();
  for (let at = 0; at < typeNames.length; at += filesAtOnce) {
    const read = typeNames.slice(at, at + filesAtOnce).map(async (typeName) => {
      const text = await firstOf(fileNames(typeName), source);
      if (text !== undefined) found.set(typeName, parseDeclaration(text));
    });
    await Promise.all(read);
  }
  return found;
}

/** Names that a type may have in the package; the longer one, for names of several groups, comes first. */
export function fileNames(typeName: string): string[] {
  const [group = "", version = "", name = ""] = typeName.split(".");
  const capital = (word: string) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`;
  const short = `${capital(version)}${name}`;
  return [`${capital(group)}${short}.d.ts`, `${short}.d.ts`];
}

async function firstOf(names: readonly string[], source: string): Promise<string | undefined> {
  for (const name of names) {
    try {
      return await readFile(new URL(name, source), "utf8");
    } catch {
      continue;
    }
  }
  return undefined;
}

const plainName = (field: string): string => field.replace(/\W|_/g, "");

/** The description of a field, by its name in the API. */
export const fieldDescription = (type: TypeDescription | undefined, field: string): string | undefined =>
  type?.fields.get(plainName(field));

/** The doc comments of a class declaration and of its fields. */
export function parseDeclaration(text: string): TypeDescription {
  const fields = new Map<string, string>();
  let type: string | undefined;
  for (const [, comment, isClass, field] of text.matchAll(
    /\/\*\*((?:(?!\*\/)[^])*)\*\/\s*(?:(export declare class )|'([^']+)'\??:)/g,
  )) {
    const description = plainText(comment!);
    if (description === "") continue;
    if (isClass) type = description;
    else fields.set(plainName(field!), description);
  }
  return { ...(type === undefined ? {} : { type }), fields };
}

function plainText(comment: string): string {
  const lines = comment.split("\n").map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
  return lines.join("\n").trim().replaceAll("*_/", "*/").replace(/\\(.)/g, "$1");
}
