// Signs approved certificate requests and removes those that nobody needs any more.
// Follows kubernetes v1.36 pkg/controller/certificates (signer, cleaner) and pkg/apis/certificates/helpers.go (kubelet rules).
import type { CertificateSigningRequestStatus } from "../kinds/generated/certificates.v1.ts";
import { CertificateSigningRequest } from "../kinds/index.ts";
import { formatTime, parseTime } from "../machinery/clock.ts";
import type { Client } from "../client/client.ts";
import { findCondition } from "./common/status.ts";
import { defineController, nothing, type Action, type Controller, type Plan } from "./framework/controller.ts";

/** What a PKCS #10 request asks for. */
export interface RequestedCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  /** Subject alternative names of other sorts: e-mail addresses, URIs. */
  readonly others: readonly string[];
}

/** The cluster's certificate authority, as far as requests need it. Both reject when the request is damaged. */
export interface CertificateSigner {
  read(requestPem: string): Promise<RequestedCertificate>;
  sign(
    requestPem: string,
    options: {
      readonly usages: readonly ("client" | "server")[];
      readonly seconds: number;
      readonly names: readonly string[];
      readonly addresses: readonly string[];
    },
  ): Promise<string>;
}

const longestSeconds = 365 * 86_400;
const hourMs = 3_600_000;
const pendingMs = 24 * hourMs;

interface SignerRule {
  readonly usages: readonly string[];
  readonly required: "client auth" | "server auth";
  readonly refuse: (requested: RequestedCertificate) => string | undefined;
}

const isNode = ({ commonName, organizations }: RequestedCertificate): string | undefined => {
  if (organizations.length !== 1 || organizations[0] !== "system:nodes") return 'organization must be "system:nodes"';
  return commonName.startsWith("system:node:") ? undefined : 'common name must begin with "system:node:"';
};

const base = ["digital signature", "key encipherment"];
const hasNames = ({ names, addresses, others }: RequestedCertificate) =>
  names.length + addresses.length + others.length > 0;

const rules: Readonly<Record<string, SignerRule>> = {
  "kubernetes.io/kube-apiserver-client": {
    usages: [...base, "client auth"],
    required: "client auth",
    // Whoever may approve requests must not make an administrator that nobody can take rights from.
    refuse: ({ organizations }) =>
      organizations.includes("system:masters") ? 'organization must not be "system:masters"' : undefined,
  },
  "kubernetes.io/kube-apiserver-client-kubelet": {
    usages: [...base, "client auth"],
    required: "client auth",
    refuse: (requested) =>
      isNode(requested) ?? (hasNames(requested) ? "subject alternative names are not allowed" : undefined),
  },
  "kubernetes.io/kubelet-serving": {
    usages: [...base, "server auth"],
    required: "server auth",
    refuse: (requested) => {
      if (requested.others.length > 0) return "only DNS names and IP addresses are allowed";
      return isNode(requested) ?? (hasNames(requested) ? undefined : "a DNS name or IP address is required");
    },
  },
};

/** Why the signer refuses; undefined when it signs. */
export function refusalOf(
  signerName: string,
  usages: readonly string[],
  requested: RequestedCertificate,
): string | undefined {
  const { usages: allowed, required, refuse } = rules[signerName]!;
  const odd = usages.find((usage) => !allowed.includes(usage));
  if (odd) return `usage "${odd}" is not allowed`;
  return usages.includes(required) ? refuse(requested) : `usage "${required}" is required`;
}

/** `issue` signs one request and writes the outcome. */
export function decideRequest(request: CertificateSigningRequest, issue: () => Promise<void>, now: number): Plan {
  const expiresAt = expiryOf(request);
  if (expiresAt <= now) return { actions: [{ type: "delete", kind: CertificateSigningRequest, object: request }] };
  const { conditions, certificate } = request.status ?? {};
  const has = (type: string) => findCondition(conditions, type)?.status === "True";
  const due = has("Approved") && !has("Denied") && !has("Failed") && !certificate && request.spec.signerName in rules;
  const actions: Action[] = due ? [{ type: "effect", run: issue }] : [];
  return Number.isFinite(expiresAt) ? { actions, requeueAfterMs: expiresAt - now } : { actions };
}

/** An hour after the outcome, a day after the start. */
function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const outcomes = (status?.conditions ?? [])
    .filter(({ type }) => type === "Denied" || type === "Failed" || (type === "Approved" && status?.certificate))
    .map(({ lastUpdateTime, lastTransitionTime }) => parseTime(lastUpdateTime ?? lastTransitionTime) + hourMs);
  const times = outcomes.filter((time) => !Number.isNaN(time));
  if (times.length > 0) return Math.min(...times);
  const decided = findCondition(status?.conditions, "Approved");
  return decided ? Number.POSITIVE_INFINITY : parseTime(metadata.creationTimestamp) + pendingMs;
}

/** The status with the certificate, or with the reason why there will be none. */
async function outcome(
  { spec, status }: CertificateSigningRequest,
  signer: CertificateSigner,
  now: number,
): Promise<CertificateSigningRequestStatus> {
  const pem = Buffer.from(spec.request, "base64").toString("utf8");
  const failed = (reason: string, message: string) => {
    const at = formatTime(now);
    const condition = { type: "Failed", status: "True", reason, message, lastUpdateTime: at, lastTransitionTime: at };
    return { ...status, conditions: [...(status?.conditions ?? []), condition] };
  };
  const usages = spec.usages ?? [];
  try {
    const requested = await signer.read(pem);
    const refusal = refusalOf(spec.signerName, usages, requested);
    if (refusal) return failed("SignerValidationFailure", refusal);
    const certificate = await signer.sign(pem, {
      usages: [rules[spec.signerName]!.required === "client auth" ? "client" : "server"],
      seconds: Math.min(spec.expirationSeconds ?? longestSeconds, longestSeconds),
      names: requested.names,
      addresses: requested.addresses,
    });
    return { ...status, certificate: Buffer.from(certificate).toString("base64") };
  } catch (error) {
    return failed("SigningError", `unable to parse or sign the request: ${(error as Error).message}`);
  }
}

export const certificateRequests = (client: Client, signer: CertificateSigner, now: () => number): Controller =>
  defineController<CertificateSigningRequest>({
    name: "csrsigning",
    primary: CertificateSigningRequest,
    watches: [],
    observe: (key, caches) => caches.of(CertificateSigningRequest).get(key),
    decide: (request, at) => {
      if (request.metadata.deletionTimestamp) return nothing;
      const issue = async () => {
        const status = await outcome(request, signer, now());
        await client.updateStatus(CertificateSigningRequest, { ...request, status });
      };
      return decideRequest(request, issue, at);
    },
  });
