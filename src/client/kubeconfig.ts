// Kubeconfig files: the client of a file's current context, and files for others to use.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { httpsClient, type Connection, type Credentials, type HttpsClient, type HttpsClientOptions } from "./https.ts";

type Named<Key extends string, Value> = { readonly name: string } & { readonly [K in Key]: Value };

interface ClusterEntry {
  readonly server: string;
  readonly "certificate-authority"?: string;
  readonly "certificate-authority-data"?: string;
  readonly "tls-server-name"?: string;
  readonly [other: string]: unknown;
}

interface UserEntry {
  readonly "client-certificate"?: string;
  readonly "client-certificate-data"?: string;
  readonly "client-key"?: string;
  readonly "client-key-data"?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly [other: string]: unknown;
}

interface Kubeconfig {
  readonly "current-context"?: string;
  readonly contexts?: readonly Named<"context", { cluster: string; user: string; namespace?: string }>[];
  readonly clusters?: readonly Named<"cluster", ClusterEntry>[];
  readonly users?: readonly Named<"user", UserEntry>[];
}

/** Fields that would change how or as whom to connect; a client that ignored them would do the wrong thing. */
const unsupportedCluster = ["insecure-skip-tls-verify", "proxy-url"];
const unsupportedUser = ["exec", "auth-provider", "username", "as"];

/** How to reach a webhook; without a CA the system's are trusted, without credentials nobody asks. */
export type WebhookConnection = Omit<Connection, "caPem" | "credentials"> & Partial<Connection>;

/** How the current context connects. Throws, naming the field, on what is missing or not supported. */
export function connectionOf(config: Kubeconfig, read: (file: string) => string): Connection {
  const { caPem, credentials, ...rest } = partsOf(config, read);
  if (!caPem) throw new Error("kubeconfig: the cluster has no certificate-authority");
  if (!credentials) throw new Error("kubeconfig: the user has neither a client certificate nor a token");
  return { ...rest, caPem, credentials };
}

function partsOf(config: Kubeconfig, read: (file: string) => string): WebhookConnection {
  const wanted = config["current-context"];
  const context = config.contexts?.find(({ name }) => name === wanted)?.context;
  if (!context) throw new Error(`kubeconfig has no context ${JSON.stringify(wanted ?? "")}`);
  const cluster = config.clusters?.find(({ name }) => name === context.cluster)?.cluster;
  const user = config.users?.find(({ name }) => name === context.user)?.user;
  if (!cluster) throw new Error(`kubeconfig has no cluster "${context.cluster}"`);
  if (!user) throw new Error(`kubeconfig has no user "${context.user}"`);
  refuse(cluster, unsupportedCluster, "clusters");
  refuse(user, unsupportedUser, "users");
  const serverName = cluster["tls-server-name"];
  const caPem = pem(cluster, "certificate-authority", read);
  const credentials = credentialsOf(user, read);
  return {
    server: cluster.server,
    ...(caPem ? { caPem } : {}),
    ...(credentials ? { credentials } : {}),
    ...(serverName ? { serverName } : {}),
  };
}

function refuse(entry: Readonly<Record<string, unknown>>, fields: readonly string[], where: string): void {
  const field = fields.find((name) => entry[name]);
  if (field) throw new Error(`kubeconfig: ${where}[].${field} is not supported`);
}

function pem(
  entry: Readonly<Record<string, unknown>>,
  field: string,
  read: (file: string) => string,
): string | undefined {
  const data = entry[`${field}-data`];
  if (typeof data === "string") return Buffer.from(data, "base64").toString("utf8");
  const file = entry[field];
  return typeof file === "string" ? read(file) : undefined;
}

function credentialsOf(user: UserEntry, read: (file: string) => string): Credentials | undefined {
  const cert = pem(user, "client-certificate", read);
  const key = pem(user, "client-key", read);
  if (cert && key) return { cert, key };
  const token = user.token ?? (user.tokenFile ? read(user.tokenFile).trim() : undefined);
  return token ? { token } : undefined;
}

/** The client of a kubeconfig's current context. Throws when the file is missing or asks for what is not supported. */
export async function clientFromKubeconfig(
  file: string,
  options: Omit<HttpsClientOptions, keyof Connection>,
): Promise<HttpsClient> {
  const { config, read } = await readKubeconfig(file);
  return httpsClient({ ...connectionOf(config, read), ...options });
}

/** How the current context of a webhook's kubeconfig connects. Throws when the file is missing, or not for HTTPS. */
export async function webhookConnection(file: string): Promise<WebhookConnection> {
  const { config, read } = await readKubeconfig(file);
  const connection = partsOf(config ?? {}, read);
  if (!connection.server?.startsWith("https://"))
    throw new Error(`${file}: clusters[].server must begin with https://`);
  return connection;
}

async function readKubeconfig(file: string) {
  const { parse } = await import("yaml");
  const config = parse(readFileSync(file, "utf8")) as Kubeconfig;
  return { config, read: (path: string) => readFileSync(resolve(dirname(file), path), "utf8") };
}

/** The text of a kubeconfig that says where a cluster is and which CA it has, and nothing else. */
export function publicKubeconfig({ server, caPem }: Pick<Connection, "server" | "caPem">): string {
  return [
    "apiVersion: v1",
    "clusters:",
    "- cluster:",
    `    certificate-authority-data: ${Buffer.from(caPem).toString("base64")}`,
    `    server: ${server}`,
    '  name: ""',
    "contexts: null",
    'current-context: ""',
    "kind: Config",
    "preferences: {}",
    "users: null",
    "",
  ].join("\n");
}

/** The text of a kubeconfig with one cluster, one user and one context, all called `name`. */
export function kubeconfigText({ name, server, caPem, credentials }: Connection & { readonly name: string }): string {
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  const quoted = JSON.stringify(name);
  const user =
    "cert" in credentials
      ? [`client-certificate-data: ${base64(credentials.cert)}`, `client-key-data: ${base64(credentials.key)}`]
      : [`token: ${JSON.stringify(credentials.token)}`];
  return [
    "apiVersion: v1",
    "kind: Config",
    "clusters:",
    `- name: ${quoted}`,
    "  cluster:",
    `    server: ${JSON.stringify(server)}`,
    `    certificate-authority-data: ${base64(caPem)}`,
    "users:",
    `- name: ${quoted}`,
    "  user:",
    ...user.map((line) => `    ${line}`),
    "contexts:",
    `- name: ${quoted}`,
    "  context:",
    `    cluster: ${quoted}`,
    `    user: ${quoted}`,
    `current-context: ${quoted}`,
    "",
  ].join("\n");
}

/** Writes a kubeconfig that only its owner can read; a reader sees the old file or the new one, never a part. */
export function writeKubeconfig(file: string, content: Connection & { readonly name: string }): void {
  mkdirSync(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  writeFileSync(partial, kubeconfigText(content), { mode: 0o600 });
  renameSync(partial, file);
}
