// Writes tar archives (ustar with GNU long names), enough for image layers and OCI layouts.

export type TarEntry =
  | { readonly path: string; readonly type: "file"; readonly content: Uint8Array; readonly mode?: number }
  | { readonly path: string; readonly type: "directory"; readonly mode?: number }
  | { readonly path: string; readonly type: "symlink"; readonly target: string };

const block = 512;
const typeFlags = { file: "0", directory: "5", symlink: "2", longName: "L" } as const;

function header(path: string, flag: string, size: number, mode: number, target: string): Buffer {
  const bytes = Buffer.alloc(block);
  bytes.write(path, 0, 100);
  bytes.write(mode.toString(8).padStart(7, "0"), 100);
  bytes.write("0000000", 108);
  bytes.write("0000000", 116);
  bytes.write(size.toString(8).padStart(11, "0"), 124);
  bytes.write("00000000000", 136);
  bytes.write("        ", 148);
  bytes.write(flag, 156);
  bytes.write(target, 157, 100);
  bytes.write("ustar  ", 257);
  let sum = 0;
  for (const byte of bytes) sum += byte;
  bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return bytes;
}

const padding = (size: number) => Buffer.alloc((block - (size % block)) % block);

/** Parts of a tar archive in order; owner root, modification time 0, so that equal input gives equal bytes. */
export function tarParts(entries: readonly TarEntry[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (const entry of entries) {
    const path = entry.path.replace(/^\/+/, "") + (entry.type === "directory" ? "/" : "");
    if (Buffer.byteLength(path) > 100) {
      const name = Buffer.from(`${path}\0`);
      parts.push(header("././@LongLink", typeFlags.longName, name.length, 0o644, ""), name, padding(name.length));
    }
    if (entry.type === "symlink") {
      if (Buffer.byteLength(entry.target) > 100) throw new Error(`link target is too long: ${entry.target}`);
      parts.push(header(path, typeFlags.symlink, 0, 0o777, entry.target));
    } else if (entry.type === "directory") parts.push(header(path, typeFlags.directory, 0, entry.mode ?? 0o755, ""));
    else {
      const { content } = entry;
      parts.push(header(path, typeFlags.file, content.length, entry.mode ?? 0o644, ""));
      parts.push(content, padding(content.length));
    }
  }
  parts.push(Buffer.alloc(2 * block));
  return parts;
}
