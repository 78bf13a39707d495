// Builds the images of the examples from Debian packages, since no registry need be in reach, and imports them into the
// running cluster. Usage: npm run images [-- --name NAME --data-dir DIR | --output DIR]. Nothing is installed: packages
// are downloaded and unpacked into a cache directory.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { importImage } from "../src/kubelet/images/import.ts";
import { buildDebianImage, type DebianImage } from "../src/kubelet/images/debian.ts";
import type { ClusterSettings } from "../src/cluster.ts";
import type { BuiltImage } from "../src/kubelet/images/oci.ts";
import { run, runOrThrow } from "../src/host/run.ts";
import { defaultDataDir, readSettings } from "../src/cli/settings.ts";
import { containerdSocket } from "../src/node.ts";

const root = join(import.meta.dirname, "..");
const cache = join(root, "node_modules/.cache/images");
const packages = ["busybox", "nginx", "redis-server", "redis-tools"];

/** Downloads the packages with what they depend on and is not on this machine, and unpacks them all. Returns the directory. */
async function unpackPackages(): Promise<string> {
  const target = join(cache, "root");
  const done = join(cache, "unpacked");
  if (existsSync(done) && readFileSync(done, "utf8") === packages.join(" ")) return target;
  const archives = join(cache, "archives");
  mkdirSync(join(archives, "partial"), { recursive: true });
  mkdirSync(target, { recursive: true });
  console.log(`downloading Debian packages: ${packages.join(", ")} …`);
  const download = [
    "-qq",
    "-y",
    "--no-install-recommends",
    "--download-only",
    "--reinstall",
    "-o",
    `Dir::Cache::archives=${archives}`,
  ];
  const fetch = () => run("apt-get", [...download, "install", ...packages]);
  if ((await fetch()).code !== 0) {
    await runOrThrow("apt-get", ["-qq", "update"]);
    const { code, stderr } = await fetch();
    if (code !== 0) throw new Error(`the packages cannot be downloaded: ${stderr.trim()}`);
  }
  // What is installed here already is only downloaded again when named, so libraries may come from the machine itself.
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    await runOrThrow("dpkg", ["-x", join(archives, file), target]);
  }
  writeFileSync(done, packages.join(" "));
  return target;
}

const webServer = `#!/bin/sh
# Answers with who it is and what it was told; files of /etc/greeting are served as they are now.
set -eu
escape() { printf '%s' "$1" | sed -e 's/[\\\\"$;{}]//g'; }
cat > /tmp/nginx.conf <<CONF
worker_processes 1;
daemon off;
error_log stderr notice;
pid /tmp/nginx.pid;
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  server {
    listen 8080;
    default_type text/plain;
    location = /healthz { return 200 "ok\\n"; }
    location = /client { return 200 "$(printf '\\044')remote_addr $(printf '\\044')http_x_forwarded_for\\n"; }
    location /files/ { alias /etc/greeting/; }
    location / { return 200 "$(escape "\${GREETING:-Hello}") from $(hostname), release \${RELEASE:-1}\\n"; }
  }
}
CONF
exec nginx -e stderr -c /tmp/nginx.conf
`;

/** Where images take Debian's busybox from, with a link for each of its applets. */
export async function busyboxSource(): Promise<Pick<DebianImage, "root" | "links">> {
  const root = await unpackPackages();
  const applets = await busyboxApplets(root);
  return { root, links: Object.fromEntries(applets.map((applet) => [`/usr/bin/${applet}`, "busybox"])) };
}

/** Builds all example images; takes a second or two once the packages are there. */
export async function buildExampleImages(): Promise<BuiltImage[]> {
  const shell = await busyboxSource();
  return [
    await buildDebianImage({
      ...shell,
      name: "knarr.dev/examples/busybox:1",
      binaries: ["/bin/busybox"],
      command: ["/bin/sh"],
    }),
    await buildDebianImage({
      ...shell,
      name: "knarr.dev/examples/web:1",
      binaries: ["/bin/busybox", "/usr/sbin/nginx"],
      files: { "/start.sh": webServer, "/etc/greeting": null, "/var/log/nginx": null, "/var/lib/nginx": null },
      entrypoint: ["/bin/sh", "/start.sh"],
      exposedPorts: ["8080/tcp"],
      stopSignal: "SIGQUIT",
    }),
    await buildDebianImage({
      ...shell,
      name: "knarr.dev/examples/redis:1",
      binaries: ["/bin/busybox", "/usr/bin/redis-check-rdb", "/usr/bin/redis-cli"],
      links: { ...shell.links, "/usr/bin/redis-server": "redis-check-rdb" },
      files: { "/data": null },
      entrypoint: [
        "redis-server",
        "--dir",
        "/data",
        "--appendonly",
        "yes",
        "--appendfsync",
        "always",
        "--protected-mode",
        "no",
      ],
      workingDir: "/data",
      exposedPorts: ["6379/tcp"],
    }),
  ];
}

async function busyboxApplets(from: string): Promise<string[]> {
  const { stdout } = await runOrThrow(join(from, "bin/busybox"), ["--list"]);
  return stdout.split("\n").filter((applet) => applet && applet !== "busybox");
}

function settingsOf(name: string, dataDir: string): ClusterSettings {
  const settings = readSettings(dataDir);
  if (!settings) throw new Error(`there is no cluster "${name}" in ${dataDir}; start one with: npm start`);
  return settings;
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "default" },
      "data-dir": { type: "string" },
      output: { type: "string" },
    },
  });
  const images = await buildExampleImages();
  for (const image of images) {
    if (values.output) {
      mkdirSync(values.output, { recursive: true });
      writeFileSync(join(values.output, `${image.name.replace(/^.*\//, "").replace(":", "-")}.tar`), image.tar);
    } else {
      const dataDir = resolve(values["data-dir"] ?? defaultDataDir(values.name));
      await importImage(containerdSocket(settingsOf(values.name, dataDir)), image);
    }
    console.log(`${values.output ? "wrote" : "imported"} ${image.name} (${(image.tar.length / 1e6).toFixed(1)} MB)`);
  }
}
