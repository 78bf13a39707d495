// knarr image: archives into the node's container runtime.
import { createReadStream, existsSync } from "node:fs";
import { runOrThrow } from "../host/run.ts";
import { containerdSocket } from "../node.ts";
import { settingsOf, type Place } from "./connect.ts";

function socketOf(place: Place): string {
  const socket = containerdSocket(settingsOf(place));
  if (!existsSync(socket))
    throw new Error(`the container runtime of "${place.name}" does not run; start the cluster first`);
  return socket;
}

const ctr = (socket: string, ...args: string[]) =>
  runOrThrow("ctr", ["--address", socket, "--namespace", "k8s.io", ...args]);

/** Imports docker or OCI archives; prints the names that the node knows afterwards. */
export async function importImages({ files, ...place }: Place & { files: readonly string[] }): Promise<void> {
  const socket = socketOf(place);
  for (const file of files) {
    await readable(file);
    const { stdout } = await ctr(socket, "images", "import", file);
    for (const [, name] of stdout.matchAll(/^unpacking (\S+)/gm)) console.log(`imported ${name}`);
  }
}

export async function listImages(place: Place): Promise<void> {
  const { stdout } = await ctr(socketOf(place), "images", "list", "--quiet");
  const names = stdout.split("\n").filter((name) => name && !name.startsWith("sha256:") && !name.includes("@sha256:"));
  console.log(names.toSorted().join("\n"));
}

function readable(file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = createReadStream(file, { start: 0, end: 0 });
    stream.once("error", (error) => reject(new Error(`${file} cannot be read: ${error.message}`, { cause: error })));
    stream.once("open", () => (stream.destroy(), resolve()));
  });
}
