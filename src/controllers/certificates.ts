// Approves the requests of nodes for their client certificates, signs what is approved and removes what nobody needs any more.
// Follows kubernetes v1.36 pkg/controller/certificates (approver, signer, cleaner) and pkg/apis/certificates/helpers.go.
import { X509Certificate } from "node:crypto";
import type { CertificateSigningRequestStatus } from "../kinds/generated/certificates.v1.ts";
import { CertificateSigningRequest, ClusterRole, ClusterRoleBinding, SubjectAccessReview } from "../kinds/index.ts";
import { formatTime, parseTime } from "../machinery/clock.ts";
import type { Client } from "../client/client.ts";
import { findCondition } from "./common/status.ts";
import { keyOf } from "../machinery/object.ts";
import {
  defineController,
  maps,
  nothing,
  type Action,
  type Caches,
  type Controller,
  type Plan,
} from "./framework/controller.ts";

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
      /** For keys that can encrypt (RSA): the certificate allows it. */
      readonly keyEncipherment: boolean;
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
  readonly purpose: "client auth" | "server auth";
  /** Besides the purpose. */
  readonly required: readonly string[];
  readonly refuse: (requested: RequestedCertificate) => string | undefined;
}

const isNode = ({ commonName, organizations }: RequestedCertificate): string | undefined => {
  if (organizations.length !== 1 || organizations[0] !== "system:nodes") return 'organization must be "system:nodes"';
  return commonName.startsWith("system:node:") ? undefined : 'common name must begin with "system:node:"';
};

const optionalUsages = ["digital signature", "key encipherment"];
const hasNames = ({ names, addresses, others }: RequestedCertificate) =>
  names.length + addresses.length + others.length > 0;

const rules: Readonly<Record<string, SignerRule>> = {
  "kubernetes.io/kube-apiserver-client": {
    purpose: "client auth",
    required: [],
    // Whoever may approve requests must not make an administrator that nobody can take rights from.
    refuse: ({ organizations }) =>
      organizations.includes("system:masters") ? 'organization must not be "system:masters"' : undefined,
  },
  "kubernetes.io/kube-apiserver-client-kubelet": {
    purpose: "client auth",
    required: ["digital signature"],
    refuse: (requested) =>
      isNode(requested) ?? (hasNames(requested) ? "subject alternative names are not allowed" : undefined),
  },
  "kubernetes.io/kubelet-serving": {
    purpose: "server auth",
    required: ["digital signature"],
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
  const { purpose, required, refuse } = rules[signerName]!;
  const odd = usages.find((usage) => usage !== purpose && !optionalUsages.includes(usage));
  if (odd) return `usage "${odd}" is not allowed`;
  const missing = [purpose, ...required].find((usage) => !usages.includes(usage));
  return missing ? `usage "${missing}" is required` : refuse(requested);
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

const nodeClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";

/** The rights that let a request for a node's client certificate pass by itself, the narrower first. */
export function approvingRights({ spec }: CertificateSigningRequest, requested: RequestedCertificate): string[] {
  if (spec.signerName !== nodeClientSigner || refusalOf(spec.signerName, spec.usages ?? [], requested)) return [];
  return spec.username === requested.commonName ? ["selfnodeclient", "nodeclient"] : ["nodeclient"];
}

const approvalTexts: Readonly<Record<string, string>> = {
  selfnodeclient: "Auto approving self kubelet client certificate after SubjectAccessReview.",
  nodeclient: "Auto approving kubelet client certificate after SubjectAccessReview.",
};

/** Approves the request if whoever made it has one of the rights. */
async function approve(client: Client, request: CertificateSigningRequest, signer: CertificateSigner, now: number) {
  const { username, groups, uid, extra, request: pem } = request.spec;
  const requested = await signer.read(Buffer.from(pem, "base64").toString("utf8"));
  for (const subresource of approvingRights(request, requested)) {
    const resource = { group: CertificateSigningRequest.group, version: "*", resource: "certificatesigningrequests" };
    const resourceAttributes = { ...resource, verb: "create", subresource };
    const asked = {
      resourceAttributes,
      user: username ?? "",
      groups: groups ?? [],
      uid: uid ?? "",
      extra: extra ?? {},
    };
    const review = await client.create(SubjectAccessReview, {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      metadata: {},
      spec: asked,
    });
    if (!review.status?.allowed) continue;
    const at = formatTime(now);
    const condition = { type: "Approved", status: "True", reason: "AutoApproved", message: approvalTexts[subresource] };
    const conditions = [
      ...(request.status?.conditions ?? []),
      { ...condition, lastUpdateTime: at, lastTransitionTime: at },
    ];
    const patch = { metadata: { resourceVersion: request.metadata.resourceVersion }, status: { conditions } };
    await client.patch(CertificateSigningRequest, request.metadata, "merge", patch, { subresource: "approval" });
    return;
  }
}

const isOpen = ({ spec, status }: CertificateSigningRequest) =>
  spec.signerName === nodeClientSigner &&
  !status?.certificate &&
  !status?.conditions?.some(({ type }) => type === "Approved" || type === "Denied");

/** Looks at open requests when they come and whenever somebody gets rights. */
export function certificateApprover(client: Client, signer: CertificateSigner, now: () => number): Controller {
  const allOpen = (_: unknown, caches: Caches) => caches.of(CertificateSigningRequest).list().filter(isOpen).map(keyOf);
  return defineController<CertificateSigningRequest>({
    name: "csrapproving",
    primary: CertificateSigningRequest,
    watches: [maps(ClusterRoleBinding, allOpen), maps(ClusterRole, allOpen)],
    observe: (key, caches) => caches.of(CertificateSigningRequest).get(key),
    decide: (request) =>
      isOpen(request) ? { actions: [{ type: "effect", run: () => approve(client, request, signer, now()) }] } : nothing,
  });
}

/** An hour after the outcome, a day after the start, and never after the certificate. */
function expiryOf({ metadata, status }: CertificateSigningRequest): number {
  const outcomes = (status?.conditions ?? [])
    .filter(({ type }) => type === "Denied" || type === "Failed" || (type === "Approved" && status?.certificate))
    .map(({ lastUpdateTime, lastTransitionTime }) => parseTime(lastUpdateTime ?? lastTransitionTime) + hourMs);
  const times = [...outcomes, status?.certificate ? certificateEnd(status.certificate) : Number.NaN].filter(
    (time) => !Number.isNaN(time),
  );
  if (times.length > 0) return Math.min(...times);
  const decided = findCondition(status?.conditions, "Approved");
  return decided ? Number.POSITIVE_INFINITY : parseTime(metadata.creationTimestamp) + pendingMs;
}

/** NaN when it cannot be read: others sign, too. */
function certificateEnd(base64: string): number {
  try {
    return Date.parse(new X509Certificate(Buffer.from(base64, "base64")).validTo);
  } catch {
    return Number.NaN;
  }
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
      usages: [rules[spec.signerName]!.purpose === "client auth" ? "client" : "server"],
      keyEncipherment: usages.includes("key encipherment"),
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
