// Builds small images from programs installed on this machine: each binary with the libraries that ldd names. For tests
// and examples where no registry is in reach.
import { existsSync } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { basename } from "node:path";
import { runOrThrow } from "../../host/run.ts";
import { buildImage, type BuiltImage, type ImageConfig } from "./oci.ts";
import type { TarEntry } from "./tar.ts";

export interface DebianImage extends ImageConfig {
  readonly name: string;
  /** Absolute paths; each is copied to the same path together with its shared libraries. */
  readonly binaries: readonly string[];
  /** Further files: path in the image → content, or a directory (null). */
  readonly files?: Readonly<Record<string, string | Uint8Array | null>>;
  /** Further files copied from the machine at their own path. */
  readonly copies?: readonly string[];
  /** A directory with unpacked packages: what it holds is taken from there, all else from the machine. */
  readonly root?: string;
  /** Path in the image → link target. */
  readonly links?: Readonly<Record<string, string>>;
}

const passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n";
const group = "root:x:0:\nnogroup:x:65534:\n";

/** Directories that a merged-/usr system reaches through links. */
const mergedUsr: readonly TarEntry[] = ["bin", "sbin", "lib", "lib64"].map((name) => ({
  path: name,
  type: "symlink",
  target: `usr/${name}`,
}));

const canonical = (path: string) => path.replace(/^\/(bin|sbin|lib|lib64)\//, "/usr/$1/");

/** Paths of the shared libraries of a program, as the loader looks them up, first below `root`; none for a static one. */
async function sharedLibraries(binary: string, root: string): Promise<string[]> {
  const triplet = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: root && [`${root}/usr/lib/${triplet}`, `${root}/lib/${triplet}`].join(":"),
  };
  const { stdout } = await runOrThrow("sh", ["-c", 'ldd "$0" 2>/dev/null || true', binary], { env });
  return [...stdout.matchAll(/(?:=>\s*|^\s*)(\/\S+)/gm)].map((match) => match[1]!);
}

async function copyOf(path: string, root: string): Promise<TarEntry> {
  const source = await realpath(locate(path, root));
  const { mode } = await stat(source);
  return { path: canonical(path), type: "file", mode: mode & 0o7777, content: await readFile(source) };
}

/** Where a file of the image comes from: below `root` when it is there, also without the merged /usr. */
function locate(path: string, root: string): string {
  const candidates = root
    ? [`${root}${path}`, `${root}${path.replace(/^\/usr/, "")}`, `${root}${canonical(path)}`]
    : [];
  return candidates.find((candidate) => existsSync(candidate)) ?? path;
}

/** Throws when a binary is missing. */
export async function buildDebianImage(image: DebianImage): Promise<BuiltImage> {
  const root = image.root ?? "";
  const inRoot = (path: string) => (root && path.startsWith(`${root}/`) ? path.slice(root.length) : path);
  const libraries = await Promise.all(image.binaries.map((binary) => sharedLibraries(locate(binary, root), root)));
  const paths = new Map(
    [...image.binaries, ...libraries.flat().map(inRoot), ...(image.copies ?? [])].map((p) => [canonical(p), p]),
  );
  const base: Record<string, string | Uint8Array | null> = {
    "/etc/passwd": passwd,
    "/etc/group": group,
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "/root": null,
    "/var": null,
    ...image.files,
  };
  const files: TarEntry[] = [
    { path: "usr", type: "directory" },
    ...["bin", "sbin", "lib", "lib64"].map((name): TarEntry => ({ path: `usr/${name}`, type: "directory" })),
    ...mergedUsr,
    { path: "tmp", type: "directory", mode: 0o1777 },
    ...(await Promise.all([...paths.values()].map((path) => copyOf(path, root)))),
    ...Object.entries(base).map(([path, content]): TarEntry =>
      content === null
        ? { path, type: "directory" }
        : { path, type: "file", content: typeof content === "string" ? Buffer.from(content) : content },
    ),
    ...Object.entries(image.links ?? {}).map(([path, target]): TarEntry => ({
      path: canonical(path),
      type: "symlink",
      target,
    })),
  ];
  return buildImage({ name: image.name, files, config: image });
}

/** Debian's dynamic busybox with a link for every applet. */
export async function buildBusyboxImage(name: string, binary = "/usr/bin/busybox"): Promise<BuiltImage> {
  const { stdout } = await runOrThrow(binary, ["--list"]);
  const applets = stdout.split("\n").filter((applet) => applet && applet !== basename(binary));
  const links = Object.fromEntries(applets.map((applet) => [`/bin/${applet}`, basename(binary)]));
  return buildDebianImage({ name, binaries: [binary], links, command: ["/bin/sh"] });
}
