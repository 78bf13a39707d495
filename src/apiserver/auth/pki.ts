// The cluster's keys and certificates in one directory: made once, checked at every start, renewed before they expire, and
// followed when another process changes them.
import { issuersOf, trustOf } from "./pki/authority.ts";
import { readText, type KeyPair } from "./pki/files.ts";
import { daySeconds, issue, signRequest, subjectOf, type ClientIdentity, type SignOptions } from "./pki/issue.ts";
import { calmOf, digestOf, locked, settle, type PkiOptions, type State } from "./pki/settle.ts";

export type { KeyPair };

export interface Pki {
  readonly dir: string;
  /** What clients trust: the CA up to its root and, in a rotation, the one before. */
  readonly caPem: string;
  /** Those that issue client certificates, without the CAs above them. */
  readonly clientCaPem: string;
  readonly serving: KeyPair;
  /** CN=kubernetes-admin, O=system:masters. */
  readonly admin: KeyPair;
  /** What signs the certificate below and nothing else: whoever shows one is believed when it says who asks. */
  readonly frontProxyCaPem: string;
  /** CN=front-proxy-client: shown to extension API servers. */
  readonly frontProxyClient: KeyPair;
  /** EC private key that signs ServiceAccount tokens, PKCS #8. */
  readonly serviceAccountKeyPem: string;
  /** Public keys that still verify tokens, PEM; "" outside of a rotation. */
  readonly previousServiceAccountKeysPem: string;
  issueClientCertificate(identity: ClientIdentity): Promise<KeyPair>;
  /** A certificate for the public key of a PKCS #10 request; the caller decides subject and usages. */
  signRequest(csrPem: string, options: SignOptions): Promise<string>;
  /** Takes over what is on disk and issues anew what expires soon; true when something changed. */
  renew(): Promise<boolean>;
  /** Names what is used now. */
  digest(): string;
  /** Whether the clock asks for `renew`; cheap enough to be asked often. */
  isDue(): boolean;
  /** Called after every change; the returned function ends that. */
  onChange(listener: () => void): () => void;
}

/**
 * Reads the PKI in `dir`, making the directory (0700) and whatever is missing, damaged, near expiry or, for the serving
 * certificate, lacks one of the names. Throws when the CA cannot be used: it is never silently replaced.
 */
export async function ensurePki(dir: string, { ca, ...options }: PkiOptions): Promise<Pki> {
  const { clock } = options;
  const settleNow = (more: Pick<PkiOptions, "ca"> = {}) =>
    locked(dir, clock, () => settle(dir, { ...options, ...more }));
  let state = await settleNow(ca ? { ca } : {});
  let derived = derivedFrom(state);
  let renewing: Promise<boolean> | undefined;
  const listeners = new Set<() => void>();
  const renew = async () => {
    if (readText(dir, "ca.crt") === undefined) throw new Error(`${dir} is gone: restore it, or restart to begin anew`);
    const next = await settleNow();
    if (digestOf(next) === digestOf(state)) return false;
    state = next;
    derived = derivedFrom(next);
    for (const listener of listeners) listener();
    return true;
  };
  return {
    dir,
    get caPem() {
      return derived.caPem;
    },
    get clientCaPem() {
      return derived.clientCaPem;
    },
    get serving() {
      return state.leaves.serving;
    },
    get admin() {
      return state.leaves.admin;
    },
    get frontProxyCaPem() {
      return derived.frontProxyCaPem;
    },
    get frontProxyClient() {
      return state.leaves["front-proxy-client"];
    },
    get serviceAccountKeyPem() {
      return state.tokenKeyPem;
    },
    get previousServiceAccountKeysPem() {
      return state.previousTokenKeysPem;
    },
    issueClientCertificate: (identity) =>
      issue(
        state.cas.ca.pair,
        { subject: subjectOf(identity), seconds: (identity.days ?? 365) * daySeconds, usages: ["client"] },
        clock,
      ),
    signRequest: (csrPem, how) => signRequest(state.cas.ca.pair, csrPem, how, clock),
    renew() {
      renewing ??= renew().finally(() => (renewing = undefined));
      return renewing;
    },
    digest: () => digestOf(state),
    isDue() {
      const now = clock.now();
      return now < derived.calm.from || now >= derived.calm.until;
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Asked for too often to be computed every time. */
const derivedFrom = (state: State) => ({
  caPem: trustOf(state.cas.ca),
  clientCaPem: issuersOf(state.cas.ca).join(""),
  frontProxyCaPem: issuersOf(state.cas["front-proxy-ca"]).join(""),
  calm: calmOf(state),
});
