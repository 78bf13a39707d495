// Facts about this machine for the Node object.
import { readFileSync, statfsSync } from "node:fs";
import { availableParallelism, hostname, release, totalmem } from "node:os";
import { machineArchitecture } from "../images/oci.ts";
import { kubeletVersion, type MachineFacts } from "./object.ts";

const read = (file: string): string => {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return "";
  }
};

/** `dataDir` is where images and volumes live: its file system is the node's ephemeral storage. */
export function readMachine(dataDir: string): MachineFacts {
  const disk = statfsSync(dataDir);
  const osImage = /^PRETTY_NAME="?([^"\n]*)/m.exec(read("/etc/os-release"))?.[1] ?? "Linux";
  return {
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    ephemeralBytes: disk.blocks * disk.bsize,
    architecture: machineArchitecture(),
    hostname: hostname(),
    info: {
      machineID: read("/etc/machine-id"),
      systemUUID: read("/sys/class/dmi/id/product_uuid") || read("/etc/machine-id"),
      bootID: read("/proc/sys/kernel/random/boot_id"),
      kernelVersion: release(),
      osImage,
      kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: "linux",
      architecture: machineArchitecture(),
    },
  };
}
