// The text of haproxy.cfg, and the slots that let endpoints come and go without a reload. Pure.
import type { Backend } from "../proxy/endpoints.ts";
import { type BackendPlan, certificateList, type IngressPlan, mapFiles } from "./render.ts";

export interface ConfigOptions {
  readonly directory: string;
  readonly bind: readonly string[];
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly threads: number;
}

/** The servers of each backend by position; an undefined position is a spare one. */
export type Slots = ReadonlyMap<string, readonly (Backend | undefined)[]>;

/** All that the process which talks to the world sees of the disk. */
export const emptyDirectory = "empty";

const fewestSlots = 4;

const same = (a: Backend | undefined, b: Backend | undefined) => a?.address === b?.address && a?.port === b?.port;

/** Puts servers into slots: who has one keeps it, others take spare ones; the number doubles when they run out. */
export function assignSlots(previous: Slots, backends: readonly BackendPlan[]): Slots {
  const slots = new Map<string, readonly (Backend | undefined)[]>();
  for (const { name, servers } of backends) {
    const old = previous.get(name) ?? [];
    let count = Math.max(fewestSlots, old.length);
    while (count < servers.length) count *= 2;
    const next = Array.from({ length: count }, (_, i) => servers.find((server) => old[i] && same(server, old[i])));
    const waiting = servers.filter((server) => !next.some((taken) => same(taken, server)));
    // A slot that was spare before is better than one just left: requests may still be under way there.
    const free = [...next.keys()].filter((i) => !next[i]).toSorted((a, b) => Number(!!old[a]) - Number(!!old[b]));
    for (const [i, server] of waiting.entries()) next[free[i]!] = server;
    slots.set(name, next);
  }
  return slots;
}

/** Runtime commands that lead from one filling of the slots to another; both must have the same shape. */
export function slotCommands(before: Slots, after: Slots): string[] {
  const commands: string[] = [];
  for (const [name, servers] of after)
    for (const [i, server] of servers.entries()) {
      const old = before.get(name)?.[i];
      if (same(old, server)) continue;
      const target = `${name}/${slotName(i)}`;
      if (!server) commands.push(`set server ${target} state maint`);
      else {
        if (old) commands.push(`set server ${target} state maint`);
        commands.push(`set server ${target} addr ${server.address} port ${server.port}`);
        commands.push(`set server ${target} state ready`);
      }
    }
  return commands;
}

const slotName = (index: number) => `s${index}`;

/** The whole file. Without `slots` all slots are spare: two plans that need no reload have the same text then. */
export function renderConfig(plan: IngressPlan, slots: Slots, options: ConfigOptions): string {
  const { directory, bind, httpPort, httpsPort } = options;
  const binds = (port: number, rest: string) => bind.map((address) => `  bind ${address}:${port}${rest}`);
  const map = (file: keyof typeof mapFiles) => `${directory}/${mapFiles[file]}`;
  const route = [
    "  http-request del-header X-Forwarded-For",
    "  http-request set-header X-Forwarded-For %[src]",
    "  http-request set-header X-Real-IP %[src]",
    "  http-request set-header X-Forwarded-Host %[req.hdr(host)]",
    "  http-request set-header X-Forwarded-Port %[dst_port]",
    "  http-request set-header X-Forwarded-Proto https if { ssl_fc }",
    "  http-request set-header X-Forwarded-Proto http if !{ ssl_fc }",
    "  http-request set-var(txn.host) req.hdr(host),lower,field(1,:)",
    `  http-request set-var(txn.group) var(txn.host),map_str(${map("hosts")})`,
    `  http-request set-var(txn.group) var(txn.host),regsub(^[^.]+,*),map_str(${map("hosts")}) if !{ var(txn.group) -m found }`,
    "  http-request set-var(txn.group) str(*) if !{ var(txn.group) -m found }",
    "  http-request set-var(txn.path) path",
    `  http-request set-var(txn.elements) 'path,regsub("/*$",/)'`,
    `  http-request set-var(txn.backend) var(txn.group),concat(\\#,txn.path),map_str(${map("exact")})`,
    `  http-request set-var(txn.backend) var(txn.group),concat(\\#,txn.elements),map_beg(${map("prefix")}) if !{ var(txn.backend) -m found }`,
    "  use_backend %[var(txn.backend)] if { var(txn.backend) -m found }",
    `  default_backend ${plan.defaultBackend ?? "nowhere"}`,
  ];
  return `${[
    "global",
    `  nbthread ${options.threads}`,
    "  maxconn 8192",
    `  chroot ${directory}/${emptyDirectory}`,
    "  uid 65534",
    "  gid 65534",
    `  stats socket ${directory}/admin.sock mode 600 level admin expose-fd listeners`,
    "  hard-stop-after 10m",
    "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets",
    "  tune.ssl.cachesize 1000",
    "defaults",
    "  mode http",
    "  timeout connect 2s",
    "  timeout client 60s",
    "  timeout server 60s",
    "  timeout tunnel 1h",
    "  timeout http-request 15s",
    "  timeout http-keep-alive 60s",
    "  timeout queue 5s",
    // A server that is just going away refuses connections before its endpoint is gone: try the others.
    "  retries 3",
    "  retry-on conn-failure",
    "  option redispatch 1",
    "frontend http",
    ...binds(httpPort, ""),
    ...route,
    "frontend https",
    ...binds(httpsPort, ` ssl crt-list ${directory}/${certificateList} alpn h2,http/1.1`),
    ...route,
    "backend nowhere",
    '  http-request return status 404 content-type text/plain string "no Ingress rule matches this request\\n"',
    ...plan.backends.flatMap((backend) => renderBackend(backend, slots.get(backend.name) ?? [])),
  ].join("\n")}\n`;
}

function renderBackend(
  { name, lines, serverOptions }: BackendPlan,
  servers: readonly (Backend | undefined)[],
): string[] {
  return [
    `backend ${name}`,
    ...lines.map((line) => `  ${line}`),
    ...servers.map(
      (server, i) =>
        `  server ${slotName(i)} ${server ? `${server.address}:${server.port}` : "127.0.0.1:1"}${serverOptions}${server ? "" : " disabled"}`,
    ),
  ];
}

/** Equal for two states exactly when HAProxy need not be reloaded between them. */
export function structureOf(plan: IngressPlan, slots: Slots, options: ConfigOptions): string {
  const spare = new Map([...slots].map(([name, servers]) => [name, servers.map(() => undefined)]));
  return JSON.stringify([renderConfig(plan, spare, options), [...plan.files]]);
}
