// Puts locally built images into a containerd: `ctr images import`, which takes an OCI layout from standard input.
import { readFile } from "node:fs/promises";
import { runOrThrow } from "../../host/run.ts";
import { buildImage, type BuiltImage } from "./oci.ts";

/** Imports into the namespace that the CRI plugin uses. `socket` is containerd's socket path. */
export async function importImage(socket: string, image: Pick<BuiltImage, "tar">): Promise<void> {
  await runOrThrow("ctr", ["--address", socket, "--namespace", "k8s.io", "images", "import", "-"], {
    input: image.tar,
  });
}

/** The sandbox image's name; containerd's configuration names the same. */
export const pauseImage = "knarr.dev/pause:1";

/** Builds the sandbox image from a static init that only reaps and waits. Throws when the binary is not there. */
export async function buildPauseImage(name = pauseImage, binary = "/usr/bin/catatonit"): Promise<BuiltImage> {
  return buildImage({
    name,
    files: [{ path: "pause", type: "file", mode: 0o755, content: await readFile(binary) }],
    config: { entrypoint: ["/pause", "-P"], user: "65535:65535" },
  });
}
