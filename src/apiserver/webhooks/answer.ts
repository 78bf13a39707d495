// What another server answers, read within a bound.
import type { IncomingMessage } from "node:http";

/** The whole body as text; throws an Error as soon as it is longer than `maxBytes`. */
export async function limitedText(response: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error("the answer is too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
