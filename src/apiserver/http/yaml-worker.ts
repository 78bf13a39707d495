// The thread in which YAML bodies are parsed: the parser is slow enough to hold up everybody else, and may be made slower.
import { parentPort } from "node:worker_threads";
import { parseDocument } from "yaml";

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

parentPort?.on("message", (text: string) => parentPort!.postMessage(parseYaml(text)));
