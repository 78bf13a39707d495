// Names outside the cluster: asked of the host's own resolver (the name servers in its resolv.conf) and of nobody else.
// Answers are cached within bounds, equal questions in flight are asked once, silent servers are left alone for a while.
import { createSocket } from "node:dgram";
import { readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { randomInt } from "node:crypto";
import * as dns from "dns-packet";
import type { Packet, Question } from "dns-packet";
import type { Clock } from "../../machinery/clock.ts";

export interface ForwarderOptions {
  readonly resolvConf: string;
  /** Addresses that must not be asked, because we answer there ourselves. */
  readonly own: readonly string[];
  readonly clock: Clock;
  /** Port of the name servers; 53 but for tests. */
  readonly upstreamPort?: number;
}

/** A server that lets all its attempts pass is not asked again for `restMs`. */
const attempts = 2;
const timeoutMs = 1000;
const restMs = 3000;
/** Offered to upstream servers, so that few answers need TCP. */
const ednsSize = 1232;
const cacheEntries = 1000;
const longestTtl = 300;
/** How long an answer without records is kept when it names no time itself. */
const shortTtl = 5;

/** The name servers of a resolv.conf, at most three, as the C library takes them. IPv4 and IPv6. */
function parseResolvConf(text: string): string[] {
  return [...text.matchAll(/^[ \t]*nameserver[ \t]+(\S+)/gm)].map((match) => match[1]!).slice(0, 3);
}

interface Cached {
  readonly packet: Packet;
  readonly storedAt: number;
  readonly expiresAt: number;
}

/** Seconds that a response may be kept. */
function cacheSeconds(packet: Packet): number {
  if (packet.rcode !== "NOERROR" && packet.rcode !== "NXDOMAIN") return 0;
  const answers = packet.answers ?? [];
  const soa = packet.authorities?.find((record) => record.type === "SOA");
  const minimum = (soa?.data as { minimum?: number } | undefined)?.minimum ?? shortTtl;
  const ttls = answers.length > 0 ? answers.map((record) => record.ttl ?? 0) : [soa?.ttl ?? shortTtl, minimum];
  return Math.min(longestTtl, ...ttls);
}

export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache = new Map<string, Cached>();
  readonly #inFlight = new Map<string, Promise<Packet | undefined>>();
  readonly #restUntil = new Map<string, number>();
  #servers: { readonly stamp: string; readonly addresses: readonly string[] } = { stamp: "", addresses: [] };

  constructor(options: ForwarderOptions) {
    this.#options = options;
  }

  /** The upstream's answer with its times to live counted down; undefined when no server answers (SERVFAIL). */
  async resolve(question: Question): Promise<Packet | undefined> {
    const key = `${question.type} ${question.class ?? "IN"} ${question.name.toLowerCase()}`;
    const now = this.#options.clock.now();
    const cached = this.#cache.get(key);
    if (cached && cached.expiresAt > now) return aged(cached, now);
    let asked = this.#inFlight.get(key);
    if (!asked) {
      asked = this.#ask(question).finally(() => this.#inFlight.delete(key));
      this.#inFlight.set(key, asked);
    }
    const packet = await asked;
    if (packet) this.#keep(key, packet);
    return packet;
  }

  #keep(key: string, packet: Packet): void {
    const seconds = cacheSeconds(packet);
    if (seconds <= 0) return;
    const storedAt = this.#options.clock.now();
    this.#cache.delete(key);
    this.#cache.set(key, { packet, storedAt, expiresAt: storedAt + seconds * 1000 });
    if (this.#cache.size > cacheEntries) this.#cache.delete(this.#cache.keys().next().value!);
  }

  async #ask(question: Question): Promise<Packet | undefined> {
    const { clock } = this.#options;
    for (const server of this.#nameServers()) {
      if ((this.#restUntil.get(server) ?? 0) > clock.now()) continue;
      for (let attempt = 0; attempt < attempts; attempt++) {
        const packet = await this.#askServer(question, server).catch(() => undefined);
        if (packet) return packet;
      }
      this.#restUntil.set(server, clock.now() + restMs);
    }
    return undefined;
  }

  async #askServer(question: Question, server: string): Promise<Packet> {
    const { upstreamPort = 53 } = this.#options;
    const query = dns.encode({
      type: "query",
      id: randomInt(65536),
      flags: dns.RECURSION_DESIRED,
      questions: [question],
      additionals: [{ name: ".", type: "OPT", udpPayloadSize: ednsSize, flags: 0, options: [] }],
    });
    const packet = await overUdp(query, server, upstreamPort);
    const truncated = ((packet.flags ?? 0) & dns.TRUNCATED_RESPONSE) !== 0;
    return truncated ? overTcp(query, server, upstreamPort) : packet;
  }

  /** Read again whenever the file has changed. */
  #nameServers(): readonly string[] {
    const { resolvConf, own } = this.#options;
    try {
      const { mtimeMs, ino } = statSync(resolvConf);
      const stamp = `${mtimeMs} ${ino}`;
      if (stamp !== this.#servers.stamp) {
        const addresses = parseResolvConf(readFileSync(resolvConf, "utf8")).filter((a) => !own.includes(a));
        this.#servers = { stamp, addresses };
      }
      return this.#servers.addresses;
    } catch {
      return [];
    }
  }
}

function aged({ packet, storedAt }: Cached, now: number): Packet {
  const seconds = Math.floor((now - storedAt) / 1000);
  const older = (records: Packet["answers"]) =>
    records?.map((r) => (r.type === "OPT" ? r : { ...r, ttl: Math.max(0, (r.ttl ?? 0) - seconds) }));
  return { ...packet, answers: older(packet.answers), authorities: older(packet.authorities) };
}

/** Every query has a socket of its own: an unguessable port, and the kernel drops what comes from elsewhere. */
function overUdp(query: Buffer, server: string, port: number): Promise<Packet> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(server.includes(":") ? "udp6" : "udp4");
    const timer = setTimeout(() => finish(() => reject(new Error(`${server} does not answer`))), timeoutMs);
    const finish = (settle: () => void) => {
      clearTimeout(timer);
      socket.close();
      settle();
    };
    socket.once("error", (error) => finish(() => reject(error)));
    socket.on("message", (bytes) => {
      const packet = response(bytes, query);
      if (packet) finish(() => resolve(packet));
    });
    socket.connect(port, server, () => socket.send(query));
  });
}

function overTcp(query: Buffer, server: string, port: number): Promise<Packet> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, server);
    let received: Buffer = Buffer.alloc(0);
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`${server} does not answer`)));
    socket.on("connect", () => socket.write(framed(query)));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${server} closed the connection`)));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const packet = response(received.subarray(2, 2 + received.readUInt16BE(0)), query);
      if (packet) resolve(packet);
      socket.destroy();
    });
  });
}

/** With the length in front that DNS over TCP wants. */
export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** The decoded response when it is one to this very query. */
function response(bytes: Buffer, query: Buffer): Packet | undefined {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== query.readUInt16BE(0)) return undefined;
  try {
    const packet = dns.decode(bytes);
    return packet.type === "response" ? packet : undefined;
  } catch {
    return undefined;
  }
}
