// A container registry on loopback for tests: serves images that were built here, over /v2/, with or without a password.
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { BuiltImage } from "../src/kubelet/images/oci.ts";

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** Method, path and the Authorization header of every request so far. */
  readonly requests: readonly { readonly path: string; readonly authorization: string | undefined }[];
}

interface Blob {
  readonly type: string;
  readonly content: Buffer;
}

const manifestType = "application/vnd.oci.image.manifest.v1+json";

/** `repositories`: path → image, under the tag `1`. `password` is `user:secret` and asked for everything below /v2/. */
export async function startRegistry(
  repositories: Readonly<Record<string, BuiltImage>>,
  password?: string,
): Promise<Registry> {
  const requests: { path: string; authorization: string | undefined }[] = [];
  const blobs = new Map<string, Blob>();
  for (const [repository, image] of Object.entries(repositories)) {
    for (const [digest, content] of blobsOf(image.tar)) {
      const isManifest = digest === image.digest;
      blobs.set(`/v2/${repository}/${isManifest ? "manifests" : "blobs"}/${digest}`, {
        type: isManifest ? manifestType : "application/octet-stream",
        content,
      });
      if (isManifest) blobs.set(`/v2/${repository}/manifests/1`, { type: manifestType, content });
    }
  }
  const expected = password === undefined ? undefined : `Basic ${Buffer.from(password).toString("base64")}`;
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, "http://registry");
    requests.push({ path: pathname, authorization: request.headers.authorization });
    answer(request, response, { expected, blob: blobs.get(pathname), isRoot: pathname === "/v2/" });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { expected, blob, isRoot }: { expected: string | undefined; blob: Blob | undefined; isRoot: boolean },
): void {
  const refuse = (status: number, code: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(request.method === "HEAD" ? undefined : JSON.stringify({ errors: [{ code, message: code }] }));
  };
  if (expected !== undefined && request.headers.authorization !== expected) {
    return refuse(401, "UNAUTHORIZED", { "www-authenticate": 'Basic realm="test"' });
  }
  if (isRoot) return void response.end("{}");
  if (!blob) return refuse(404, "NAME_UNKNOWN");
  const digest = `sha256:${createHash("sha256").update(blob.content).digest("hex")}`;
  response.writeHead(200, {
    "content-type": blob.type,
    "content-length": blob.content.length,
    "docker-content-digest": digest,
  });
  response.end(request.method === "HEAD" ? undefined : blob.content);
}

/** The blobs of an OCI archive by digest. Reads plain tar headers: names are short and files regular. */
function blobsOf(tar: Buffer): Map<string, Buffer> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at + 512 <= tar.length;) {
    const text = (from: number, length: number) =>
      tar.toString("latin1", at + from, at + from + length).split("\0")[0]!;
    const name = text(0, 100);
    const size = Number.parseInt(text(124, 12).trim() || "0", 8);
    const match = /^(?:\.\/)?blobs\/(sha256)\/([0-9a-f]{64})$/.exec(name);
    if (match) found.set(`sha256:${match[2]}`, Buffer.from(tar.subarray(at + 512, at + 512 + size)));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return found;
}
