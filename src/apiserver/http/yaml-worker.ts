// The thread in which YAML is read and written: slow enough to hold up everybody else, and may be made slower.
import { parentPort } from "node:worker_threads";
import { parseDocument, stringify } from "yaml";

export interface YamlTask {
  readonly text: string;
  /** The text is JSON that is to become YAML; else it is YAML to be parsed. */
  readonly isJson?: boolean;
}

/** What comes back: the value, or why there is none. */
export interface YamlResult {
  readonly value?: unknown;
  readonly duplicates: readonly string[];
  readonly error?: string;
}

export function parseYaml(text: string): YamlResult {
  const document = parseDocument(text, { uniqueKeys: true, merge: true, prettyErrors: true });
  const fatal = document.errors.find((error) => error.code !== "DUPLICATE_KEY");
  if (fatal) return { duplicates: [], error: fatal.message };
  const keyAt = (position: number) => /^[^:\n]*/.exec(text.slice(position, position + 256))?.[0].trim() ?? "";
  const duplicates = document.errors.map(
    ({ pos, linePos }) => `line ${linePos?.[0].line}: key ${JSON.stringify(keyAt(pos[0]))} already set in map`,
  );
  try {
    return { value: document.toJS({ maxAliasCount: 100 }) as unknown, duplicates };
  } catch (error) {
    return { duplicates, error: (error as Error).message };
  }
}

/** As Go's libraries write it: keys in order, no aliases, and quotes wherever an older parser needs them. */
const writeYaml = (json: string): string =>
  stringify(JSON.parse(json), {
    aliasDuplicateObjects: false,
    indentSeq: false,
    lineWidth: 0,
    sortMapEntries: true,
    version: "1.1",
  });

parentPort?.on("message", ({ text, isJson }: YamlTask) => {
  const result: YamlResult = isJson ? { value: writeYaml(text), duplicates: [] } : parseYaml(text);
  parentPort!.postMessage({ result });
});
