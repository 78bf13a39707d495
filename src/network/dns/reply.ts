// From a query's bytes to a reply's bytes: header flags, EDNS, truncation. The cluster's names come from answer.ts, all
// others from the resolver that is passed in.
import * as dns from "dns-packet";
import type { Packet, Question, Record as DnsRecord } from "dns-packet";
import { answer, type Records, startOfAuthority, type Zone } from "./answer.ts";

export interface ReplyContext {
  readonly records: Records;
  readonly zone: Zone;
  /** Asks the outside; undefined means that nobody answers. */
  readonly forward: (question: Question) => Promise<Packet | undefined>;
  /** Index of the first address of several, so that clients that take the first spread themselves. */
  readonly rotation: () => number;
}

/** Largest reply over UDP to clients that say nothing about it, and to those that say more than networks carry. */
const plainUdpSize = 512;
const largestUdpSize = 4096;
const aliasDepth = 8;

interface Resolution {
  readonly rcode: string;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authorities?: readonly DnsRecord[];
  readonly additionals?: readonly DnsRecord[];
}

/** The reply to send, or undefined for bytes that are no query. */
export async function reply(
  bytes: Buffer,
  transport: "udp" | "tcp",
  context: ReplyContext,
): Promise<Buffer | undefined> {
  let query: Packet;
  try {
    query = dns.decode(bytes);
  } catch {
    return bytes.length >= 12 && (bytes[2]! & 0x80) === 0 ? formatError(bytes) : undefined;
  }
  if (query.type !== "query") return undefined;
  const question = query.questions?.[0];
  if (!question || query.questions!.length !== 1 || query.opcode !== "QUERY")
    return encode(query, { rcode: "NOTIMP", authoritative: false, answers: [] }, transport);
  const resolution = await resolve(question, context, 0);
  return encode(query, { ...resolution, answers: rotate(resolution.answers, context.rotation()) }, transport);
}

async function resolve(question: Question, context: ReplyContext, depth: number): Promise<Resolution> {
  const { records, zone, forward } = context;
  const ours = answer(question, records, zone);
  if (!ours) {
    const packet = await forward(question);
    if (!packet) return { rcode: "SERVFAIL", authoritative: false, answers: [] };
    const { rcode = "NOERROR", answers = [], authorities = [] } = packet;
    return { rcode, authoritative: false, answers, authorities };
  }
  const { rcode, answers, additionals } = ours;
  if (ours.follow !== undefined && depth < aliasDepth) {
    const target = await resolve({ ...question, name: ours.follow }, context, depth + 1);
    return { rcode: target.rcode, authoritative: true, answers: [...answers, ...target.answers] };
  }
  if (answers.length > 0) return { rcode, authoritative: true, answers, additionals };
  return { rcode, authoritative: true, answers, authorities: [startOfAuthority(zone)] };
}

/** Turns the addresses of an answer round; aliases stay in front of what they lead to. */
function rotate(answers: readonly DnsRecord[], by: number): readonly DnsRecord[] {
  const addresses = answers.filter(({ type }) => type === "A" || type === "AAAA");
  if (addresses.length < 2) return answers;
  const start = by % addresses.length;
  const others = answers.filter((record) => !addresses.includes(record));
  return [...others, ...addresses.slice(start), ...addresses.slice(0, start)];
}

function encode(query: Packet, resolution: Resolution, transport: "udp" | "tcp"): Buffer {
  const edns = query.additionals?.find(({ type }) => type === "OPT");
  const recursion = (query.flags ?? 0) & dns.RECURSION_DESIRED;
  const authority = resolution.authoritative ? dns.AUTHORITATIVE_ANSWER : 0;
  const flags = recursion | dns.RECURSION_AVAILABLE | authority | (rcodes[resolution.rcode] ?? rcodes["SERVFAIL"]!);
  const option: DnsRecord[] = edns ? [{ name: ".", type: "OPT", udpPayloadSize: 1232, flags: 0, options: [] }] : [];
  const packet = (parts: Pick<Packet, "answers" | "authorities" | "additionals">, extra = 0): Buffer =>
    dns.encode({ type: "response", id: query.id, flags: flags | extra, questions: query.questions, ...parts });
  const limit =
    transport === "tcp"
      ? 65535
      : Math.min(largestUdpSize, Math.max(plainUdpSize, edns?.udpPayloadSize ?? plainUdpSize));
  const { answers, authorities = [], additionals = [] } = resolution;
  const whole = packet({
    answers: [...answers],
    authorities: [...authorities],
    additionals: [...additionals, ...option],
  });
  if (whole.length <= limit) return whole;
  // Additional records are a courtesy; without them the answer may fit.
  const bare = packet({ answers: [...answers], authorities: [], additionals: option });
  return bare.length <= limit ? bare : packet({ additionals: option }, dns.TRUNCATED_RESPONSE);
}

const rcodes: Readonly<Record<string, number>> = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
};

/** A bare header that says that the query could not be read. */
function formatError(query: Buffer): Buffer {
  const header = Buffer.alloc(12);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8000 | rcodes["FORMERR"]!, 2);
  return header;
}
