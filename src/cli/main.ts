// The knarr command. Each subcommand loads only what it needs.
import { Command, Option } from "commander";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { apiServerFlags } from "../apiserver/flags.ts";
import { defaultDataDir } from "./settings.ts";

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")) as {
  version: string;
};

interface ClusterFlags {
  readonly name: string;
  readonly dataDir?: string;
}

const program = new Command("knarr")
  .description("Kubernetes in TypeScript: real containers, real virtual IPs, the real API")
  .version(version)
  .showHelpAfterError()
  .enablePositionalOptions();

/** A subcommand with the two options that say which cluster is meant. */
function command(usage: string, description: string, parent: Command = program): Command {
  return parent
    .command(usage)
    .description(description)
    .addOption(new Option("--name <name>", "name of the cluster").default("default").env("KNARR_NAME"))
    .addOption(new Option("--data-dir <dir>", "directory of the cluster").env("KNARR_DATA_DIR"));
}

/** Where the flags say the cluster lives. */
function place(flags: ClusterFlags): { name: string; dataDir: string } {
  return { name: flags.name, dataDir: resolve(flags.dataDir ?? defaultDataDir(flags.name)) };
}

const port = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > 65535) throw new Error(`"${text}" is no port (1 to 65535)`);
  return value;
};

const upCommand = command("up", "start the cluster in the foreground; Ctrl-C stops Knarr and leaves containers running")
  .alias("server")
  .option("--no-install", "refuse to install missing system packages")
  .option("--control-plane-only", "API server, controllers and scheduler only: no root, no containers")
  .option("--container-runtime-endpoint <socket>", "use this CRI runtime instead of a private containerd")
  .option("--api-port <port>", "port of the API server", port)
  .option("--http-port <port>", "port of the Ingress for HTTP", port)
  .option("--https-port <port>", "port of the Ingress for HTTPS", port)
  .option("--node-name <name>", "name of this node")
  .option("--node-address <address>", "IPv4 address under which this node is known")
  .option("--pod-cidr <cidr>", "address range of the pods")
  .option("--service-cidr <cidr>", "address range of the Services")
  .option("--ca-cert <file>", "at the first start: your own CA, followed by those above it up to the root")
  .option("--ca-key <file>", "its private key")
  .addOption(
    new Option("--log-level <level>", "least level to log").choices(["debug", "info", "warn", "error"]).default("info"),
  )
  .addOption(new Option("--log-format <format>", "form of the log").choices(["pretty", "json"]))
  .action(async (flags) => (await import("./up.ts")).up({ ...place(flags), version, flags }));
for (const { flag, description } of Object.values(apiServerFlags)) upCommand.option(flag, description);

command("down", "stop Knarr and all workloads; data stays").action(async (flags) =>
  (await import("./teardown.ts")).down(place(flags)),
);

command("reset", "remove everything of the cluster from this machine")
  .option("--yes", "do not ask")
  .action(async (flags) => (await import("./teardown.ts")).reset({ ...place(flags), yes: flags.yes === true }));

command("status", "components, node, addresses and versions").action(async (flags) =>
  (await import("./status.ts")).status({ ...place(flags), version }),
);

command("kubeconfig", "print the administrator's kubeconfig")
  .option("--path", "print where it is instead")
  .option("--user <name>", "one for this user, with a new client certificate; the same command renews it")
  .option("--group <name>", "group of the user (repeatable)", collect, [])
  .option("--days <days>", "how long the user's certificate is good (default: 365)", Number)
  .option("-o, --output <file>", "write the user's here, readable by its owner only")
  .action(async (flags) => (await import("./kubeconfig.ts")).kubeconfig({ ...flags, ...place(flags) }));

const certs = program.command("certs").description("certificates of the cluster, running or not");
command("list", "what there is, and until when", certs)
  .option("-o, --output <format>", "json")
  .action(async (flags) => (await import("./certs.ts")).list({ ...flags, ...place(flags) }));
command("rotate [names...]", "new ones at once; a CA or the key of tokens in two steps", certs)
  .option("--all", "every certificate (CAs and the key of tokens only by name)")
  .option("--finish", "second step: trust the old CA or key no longer")
  .option("--revoke", "both steps at once: whatever the old CA or key signed is refused")
  .option("--ca-cert <file>", "with `ca`: your own CA, followed by those above it")
  .option("--ca-key <file>", "its private key")
  .action(async (names: string[], flags) =>
    (await import("./certs.ts")).rotateCerts({ ...flags, ...place(flags), names }),
  );

const image = program.command("image").description("images of the node's container runtime");
command("import <files...>", "load docker or OCI archives", image).action(async (files: string[], flags) =>
  (await import("./image.ts")).importImages({ ...place(flags), files }),
);
command("list", "images on the node", image).action(async (flags) =>
  (await import("./image.ts")).listImages(place(flags)),
);

const secrets = program.command("secrets").description("encryption of what is stored");
command(
  "status",
  "what is encrypted with which key, from the stored bytes; fails if a Secret is in plain text",
  secrets,
)
  .option("-o, --output <format>", "json")
  .action(async (flags) => (await import("./secrets.ts")).status({ ...place(flags), output: flags.output }));
command("rotate", "encrypt Secrets with a new key and drop the old one, while the cluster runs", secrets).action(
  async (flags) => (await import("./secrets.ts")).rotate(place(flags)),
);

const namespaced = (c: Command) => c.option("-n, --namespace <namespace>", "namespace", "default");

namespaced(command("apply", "create or change objects from files (- is standard input)"))
  .requiredOption("-f, --filename <file>", "file, directory or -", collect, [])
  .action(async (flags) => (await import("./resources.ts")).apply({ ...place(flags), ...flags }));

namespaced(command("get <resource> [name]", "show objects"))
  .option("-A, --all-namespaces", "of every namespace")
  .option("-l, --selector <selector>", "label selector")
  .option("-o, --output <format>", "wide, yaml, json or name")
  .option("-w, --watch", "go on with changes")
  .action(async (resource: string, name: string | undefined, flags) =>
    (await import("./resources.ts")).get({ ...place(flags), ...flags, resource, objectName: name }),
  );

namespaced(command("describe <resource> <name>", "show one object with its events")).action(
  async (resource: string, name: string, flags) =>
    (await import("./resources.ts")).describe({ ...place(flags), ...flags, resource, objectName: name }),
);

namespaced(command("delete [resource] [name]", "delete objects by name or as named in files"))
  .option("-f, --filename <file>", "file, directory or -", collect, [])
  .option("--grace-period <seconds>", "seconds before it is killed", Number)
  .option("--no-wait", "do not wait until it is gone")
  .action(async (resource: string | undefined, name: string | undefined, flags) =>
    (await import("./resources.ts")).remove({ ...place(flags), ...flags, resource, objectName: name }),
  );

namespaced(command("logs <pod>", "print what a container wrote"))
  .option("-c, --container <container>", "container")
  .option("-f, --follow", "go on with what comes")
  .option("-p, --previous", "of the container before the last restart")
  .option("--tail <lines>", "only the last lines", Number)
  .action(async (pod: string, flags) => (await import("./streams.ts")).logs({ ...place(flags), ...flags, pod }));

namespaced(command("exec <pod> [command...]", "run a command in a container"))
  .option("-c, --container <container>", "container")
  .option("-i, --stdin", "pass standard input")
  .option("-t, --tty", "with a terminal")
  .passThroughOptions()
  .action(async (pod: string, argv: string[], flags) =>
    (await import("./streams.ts")).exec({ ...place(flags), ...flags, pod, command: argv }),
  );

namespaced(
  command("port-forward <target> <ports...>", "make ports of a pod, Deployment or Service reachable on loopback"),
).action(async (target: string, ports: string[], flags) =>
  (await import("./port-forward.ts")).portForward({ ...place(flags), ...flags, target, ports }),
);

function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value];
}

try {
  await program.parseAsync();
} catch (error) {
  console.error(`knarr: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
