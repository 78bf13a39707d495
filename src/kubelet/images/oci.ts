// Builds a one-layer OCI image as a tar archive (OCI image layout), ready for `ctr images import` or a registry.
import { createHash } from "node:crypto";
import { type TarEntry, tarParts } from "./tar.ts";

export interface ImageConfig {
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly string[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly exposedPorts?: readonly string[];
  readonly stopSignal?: string;
}

export interface ImageSource {
  /** Full reference, for example `knarr.dev/pause:1`. */
  readonly name: string;
  readonly files: readonly TarEntry[];
  readonly config?: ImageConfig;
  /** GOARCH name; the machine's own by default. */
  readonly architecture?: string;
}

/** A built image: the archive and what names it. */
export interface BuiltImage {
  readonly name: string;
  readonly tar: Buffer;
  /** `sha256:…` of the manifest. */
  readonly digest: string;
}

const architectures: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  riscv64: "riscv64",
};

/** The machine's architecture as images and nodes name it (`amd64`). */
export const machineArchitecture = (): string => architectures[process.arch] ?? process.arch;

const digestOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const json = (value: unknown) => Buffer.from(JSON.stringify(value));

/** Parent directories of every entry, so that an unpacked layer has them with ordinary modes. */
function withParents(files: readonly TarEntry[]): TarEntry[] {
  const known = new Set(files.map((file) => file.path.replace(/^\/+|\/+$/g, "")));
  const parents = new Set<string>();
  for (const path of known) {
    const steps = path.split("/").slice(0, -1);
    steps.forEach((_, index) => {
      const parent = steps.slice(0, index + 1).join("/");
      if (!known.has(parent)) parents.add(parent);
    });
  }
  const directories = [...parents].toSorted().map((path): TarEntry => ({ path, type: "directory" }));
  return [...directories, ...files];
}

function imageConfig(source: ImageSource, layer: string) {
  const { entrypoint, command, env, workingDir, user, exposedPorts, stopSignal } = source.config ?? {};
  return {
    created: "1970-01-01T00:00:00Z",
    architecture: source.architecture ?? machineArchitecture(),
    os: "linux",
    config: {
      Env: env ?? ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      Entrypoint: entrypoint,
      Cmd: command,
      WorkingDir: workingDir,
      User: user,
      StopSignal: stopSignal,
      ExposedPorts: exposedPorts && Object.fromEntries(exposedPorts.map((port) => [port, {}])),
    },
    rootfs: { type: "layers", diff_ids: [`sha256:${layer}`] },
    history: [{ created: "1970-01-01T00:00:00Z", created_by: "knarr" }],
  };
}

/** Equal input gives equal bytes and digests. The layer is not compressed: it is written once and read once. */
export function buildImage(source: ImageSource): BuiltImage {
  const layer = Buffer.concat(tarParts(withParents(source.files)));
  const layerDigest = digestOf(layer);
  const config = json(imageConfig(source, layerDigest));
  const configDigest = digestOf(config);
  const manifest = json({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: {
      mediaType: "application/vnd.oci.image.config.v1+json",
      digest: `sha256:${configDigest}`,
      size: config.length,
    },
    layers: [
      { mediaType: "application/vnd.oci.image.layer.v1.tar", digest: `sha256:${layerDigest}`, size: layer.length },
    ],
  });
  const manifestDigest = digestOf(manifest);
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        digest: `sha256:${manifestDigest}`,
        size: manifest.length,
        annotations: { "io.containerd.image.name": source.name },
      },
    ],
  });
  const blob = (digest: string, content: Uint8Array): TarEntry => ({
    path: `blobs/sha256/${digest}`,
    type: "file",
    content,
  });
  const tar = Buffer.concat(
    tarParts([
      { path: "oci-layout", type: "file", content: json({ imageLayoutVersion: "1.0.0" }) },
      { path: "index.json", type: "file", content: index },
      { path: "blobs", type: "directory" },
      { path: "blobs/sha256", type: "directory" },
      blob(layerDigest, layer),
      blob(configDigest, config),
      blob(manifestDigest, manifest),
    ]),
  );
  return { name: source.name, tar, digest: `sha256:${manifestDigest}` };
}
