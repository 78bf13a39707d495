// gzip for large responses, as upstream does it: fast level, only when asked for and worth it.
import { promisify } from "node:util";
import { createGzip, gzip } from "node:zlib";
import type { BodySink, EdgeRequest, EdgeResponse } from "./exchange.ts";
import { drained } from "./sending.ts";

const gzipAsync = promisify(gzip);
const minBytes = 128 * 1024;

/** The response, compressed off the main thread when it is large and the client takes gzip. */
export function compressed(request: EdgeRequest, response: EdgeResponse): EdgeResponse | Promise<EdgeResponse> {
  const { body, compressible, headers } = response;
  if (!compressible || body === undefined || (typeof body !== "function" && body.length < minBytes)) return response;
  if (!/\bgzip\b/.test(String(request.headers["accept-encoding"] ?? ""))) return response;
  const gzipped = { ...headers, "content-encoding": "gzip", vary: "Accept-Encoding" };
  if (typeof body === "function") return { ...response, headers: gzipped, body: (sink) => compressStream(body, sink) };
  return gzipAsync(body, { level: 1 }).then((zipped) => ({ ...response, headers: gzipped, body: zipped }));
}

async function compressStream(produce: (sink: BodySink) => void | Promise<void>, target: BodySink): Promise<void> {
  const zip = createGzip({ level: 1 });
  target.signal.addEventListener("abort", () => zip.destroy(), { once: true });
  const produced = produce({
    write: (chunk, done) => zip.write(chunk, done),
    drained: () => drained(zip),
    get bufferedBytes() {
      return zip.writableLength + target.bufferedBytes;
    },
    end: () => void zip.end(),
    abort: () => target.abort(),
    signal: target.signal,
  });
  try {
    for await (const chunk of zip as AsyncIterable<Buffer>) if (!target.write(chunk)) await target.drained();
  } catch {
    return target.abort();
  }
  await produced;
  target.end();
}
