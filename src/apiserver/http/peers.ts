// Who is at the other end of a connection: what its client certificate proves, for as long as that is true.
import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../machinery/clock.ts";
import type { PeerIdentity } from "../auth/authenticate.ts";
import { certificatesIn, isIssuedBy } from "../auth/pki/chain.ts";

export interface Peer {
  readonly address: string | undefined;
  /** Undefined without a certificate, once it has expired, and when its issuer is trusted no longer. */
  readonly identity: PeerIdentity | undefined;
}

export interface Peers {
  /** Looked up once per connection, which may then be idle for as long as it likes. `leave` asks the client to go. */
  of(socket: TLSSocket, leave?: () => void): Peer;
  /** Who was let in by other CAs is nobody from now on, and asked to leave. */
  trust(issuersPem: string): void;
}

/** What still runs on a connection whose client is trusted no longer gets this long. */
const leaveMs = 5000;

/** Only what one of the CAs in `issuersPem` signed itself counts: CAs above them may stand for a whole company. */
export function createPeers(issuersPem: string, clock: Clock): Peers {
  let issuers = certificatesIn(issuersPem);
  const known = new Map<TLSSocket, CertifiedPeer>();
  return {
    of(socket, leave = () => {}) {
      let peer = known.get(socket);
      if (!peer) {
        known.set(socket, (peer = new CertifiedPeer(socket, leave, issuers, clock)));
        socket.setTimeout(0);
        socket.once("close", () => known.delete(socket));
      }
      return peer;
    },
    trust(pem) {
      issuers = certificatesIn(pem);
      const good = new Set(issuers.map(({ fingerprint256 }) => fingerprint256));
      for (const [socket, peer] of known) {
        if (!peer.issuer || good.has(peer.issuer)) continue;
        peer.revoke();
        peer.leave();
        clock.after(leaveMs, () => socket.destroy());
      }
    },
  };
}

class CertifiedPeer implements Peer {
  readonly address: string | undefined;
  readonly leave: () => void;
  readonly #clock: Clock;
  #identity: PeerIdentity | undefined;
  #until = 0;

  constructor(socket: TLSSocket, leave: () => void, issuers: readonly X509Certificate[], clock: Clock) {
    this.address = socket.remoteAddress;
    this.leave = leave;
    this.#clock = clock;
    const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
    const issuer = certificate && issuers.find((ca) => isIssuedBy(certificate, ca));
    if (!certificate || !issuer) return;
    this.#identity = { ...subjectOf(socket), issuer: issuer.fingerprint256 };
    this.#until = certificate.validToDate.getTime();
  }

  get issuer(): string | undefined {
    return this.#identity?.issuer;
  }

  get identity(): PeerIdentity | undefined {
    return this.#identity && this.#clock.now() < this.#until ? this.#identity : undefined;
  }

  revoke(): void {
    this.#identity = undefined;
  }
}

/** Kubernetes' own attribute of a subject, for the user's uid. */
const uidAttribute = "1.3.6.1.4.1.57683.2";

function subjectOf(socket: TLSSocket): PeerIdentity {
  const { subject: attributes, fingerprint256 } = socket.getPeerCertificate();
  const subject = attributes as unknown as Readonly<Record<string, string | string[] | undefined>>;
  const list = (value: string | string[] | undefined) =>
    value === undefined ? [] : Array.isArray(value) ? value : [value];
  const uid = list(subject[uidAttribute])[0];
  return {
    commonName: list(subject.CN)[0] ?? "",
    organizations: list(subject.O),
    ...(uid ? { uid } : {}),
    fingerprint: fingerprint256.replaceAll(":", "").toLowerCase(),
  };
}
