// Who asks: client certificate, front proxy, bearer token or nobody. Follows kubernetes v1.36
// pkg/kubeapiserver/authenticator and staging/src/k8s.io/apiserver/pkg/authentication/request (order, headers).
import type { IncomingHttpHeaders } from "node:http";
import { unauthorized } from "../../machinery/errors.ts";
import type { TokenAuthenticator, TokenIssuer, UserInfo } from "../types.ts";
import { certificatesIn } from "./pki/chain.ts";
import { sameUser } from "./same-user.ts";

/** Subject of a client certificate that the TLS layer verified. */
export interface PeerIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly uid?: string;
  /** SHA-256 of the certificate in hexadecimal. */
  readonly fingerprint?: string;
  /** SHA-256 fingerprint of the issuer's certificate; "" when it is not known, which makes the certificate nobody's. */
  readonly issuer?: string;
}

export interface FrontProxy {
  /** The CAs now; there are two while one takes over from the other. */
  readonly caPem: () => string;
  /** Common names that may; empty for all. */
  readonly allowedNames: readonly string[];
}

/** Everything that the API server knows about credentials. */
export interface Authentication {
  /** All ways to turn a bearer token into a user. */
  readonly tokens: TokenAuthenticator;
  /** Audiences that a token must carry one of to be good for the API server itself. */
  readonly audiences: readonly string[];
  /** Whose certificates are nobody themselves, but vouch for whom they name. */
  readonly frontProxy?: FrontProxy;
  /** Whether nobody in particular may ask for the path; authorization follows. */
  readonly allowsAnonymous: (path: string) => boolean;
}

export const anonymous: UserInfo = { name: "system:anonymous", groups: ["system:unauthenticated"] };
export const authenticated = "system:authenticated";

/** Paths that need no credentials: what load balancers and start scripts ask. */
const openPaths = /^\/(?:livez|readyz|healthz|version)\/?$/;
export const isOpenPath = (path: string): boolean => openPaths.test(path);

/** Client certificates and ServiceAccount tokens alone. */
export const serviceAccountsOnly = (tokens: TokenIssuer): Authentication => ({
  tokens: tokenChain([tokens]),
  audiences: [tokens.issuer],
  allowsAnonymous: isOpenPath,
});

/**
 * The user of a request. Throws, or rejects with, Unauthorized for bad credentials, and for none where anonymous requests
 * are not allowed.
 */
export function authenticate(
  request: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly peer: PeerIdentity | undefined },
  authentication: Authentication,
): UserInfo | Promise<UserInfo> {
  const { peer, headers } = request;
  const { frontProxy } = authentication;
  if (peer?.issuer && frontProxy && fingerprintsIn(frontProxy.caPem()).includes(peer.issuer)) {
    const proxied = proxiedUser(peer, headers, frontProxy.allowedNames);
    if (proxied) return proxied;
  } else if (peer?.commonName && peer.issuer !== "") {
    return certifiedUser(peer);
  }
  const token = bearerToken(headers);
  if (token !== undefined) return bearerUser(token, authentication);
  if (authentication.allowsAnonymous(request.path)) return anonymous;
  throw unauthorized();
}

async function bearerUser(token: string, { tokens, audiences }: Authentication): Promise<UserInfo> {
  // Why a token is bad is nothing that who sends it should learn.
  const found = await tokens.authenticateToken(token, audiences).catch(() => undefined);
  if (!found) throw unauthorized();
  return found.user;
}

const certified = new WeakMap<PeerIdentity, UserInfo>();

/** The user of a client certificate; the same object for all requests of a connection. */
function certifiedUser(peer: PeerIdentity): UserInfo {
  const known = certified.get(peer);
  if (known) return known;
  const { commonName, organizations, uid, fingerprint } = peer;
  const user = {
    name: commonName,
    groups: [...organizations, authenticated],
    ...(uid ? { uid } : {}),
    ...(fingerprint ? { extra: { "authentication.kubernetes.io/credential-id": [`X509SHA256=${fingerprint}`] } } : {}),
  };
  certified.set(peer, user);
  return user;
}

/**
 * The first authenticator that knows the token and has a common audience with the caller decides; when none does, the
 * reasons of all that refused are thrown together.
 */
export function tokenChain(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return {
    async authenticateToken(token, audiences) {
      const reasons: string[] = [];
      for (const authenticator of authenticators) {
        try {
          const found = await authenticator.authenticateToken(token, audiences);
          if (!found) continue;
          const { user } = found;
          if (!audiences || found.audiences.some((one) => audiences.includes(one))) {
            if (user.groups.includes(authenticated)) return found;
            const groups = [...user.groups, authenticated];
            return { user: sameUser({ ...user, groups }), audiences: found.audiences };
          }
          const [theirs, wanted] = [found.audiences, audiences].map((list) => JSON.stringify(list));
          reasons.push(`token audiences ${theirs} is invalid for the target audiences ${wanted}`);
        } catch (error) {
          reasons.push((error as Error).message);
        }
      }
      if (reasons.length > 0) throw new Error(reasons.join(", "));
      return undefined;
    },
  };
}

/** From the Authorization header, or from the subprotocol that browsers use for WebSockets. */
function bearerToken(headers: IncomingHttpHeaders): string | undefined {
  const match = /^bearer +(\S+)$/i.exec(headers.authorization?.trim() ?? "");
  if (match) return match[1];
  const prefix = "base64url.bearer.authorization.k8s.io.";
  const offered = headers["sec-websocket-protocol"]?.split(",").map((protocol) => protocol.trim());
  const protocol = offered?.find((name) => name.startsWith(prefix));
  return protocol ? Buffer.from(protocol.slice(prefix.length), "base64url").toString("utf8") : undefined;
}

let read: { readonly pem: string; readonly fingerprints: readonly string[] } = { pem: "", fingerprints: [] };

/** SHA-256 fingerprints of certificates that hardly ever change. */
function fingerprintsIn(pem: string): readonly string[] {
  if (read.pem !== pem) read = { pem, fingerprints: certificatesIn(pem).map(({ fingerprint256 }) => fingerprint256) };
  return read.fingerprints;
}

/** Whom a front proxy says it asks for; undefined when it may not, or names nobody. */
function proxiedUser(
  { commonName }: PeerIdentity,
  headers: IncomingHttpHeaders,
  allowedNames: readonly string[],
): UserInfo | undefined {
  if (allowedNames.length > 0 && !allowedNames.includes(commonName)) return undefined;
  const name = headerValue(headers["x-remote-user"]);
  if (!name) return undefined;
  const uid = headerValue(headers["x-remote-uid"]);
  const groups = headerValues(headers["x-remote-group"]);
  const extra = extraHeaders(headers, "x-remote-extra-");
  return sameUser({
    name,
    groups: groups.includes(authenticated) ? groups : [...groups, authenticated],
    ...(uid ? { uid } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  });
}

type HeaderValue = string | string[] | undefined;

export const headerValue = (value: HeaderValue) => (Array.isArray(value) ? value[0] : value) || undefined;

/** Node joins repeated unknown headers with a comma and a space; a comma alone may belong to a name. */
export const headerValues = (value: HeaderValue): string[] =>
  (Array.isArray(value) ? value : [value ?? ""]).flatMap((line) => line.split(", ")).flatMap((one) => one.trim() || []);

/** Values by the key that follows the prefix, percent-decoded where it can be. */
export function extraHeaders(headers: IncomingHttpHeaders, prefix: string): Record<string, string[]> {
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(prefix) || value === undefined) continue;
    let key = header.slice(prefix.length);
    try {
      key = decodeURIComponent(key);
    } catch {
      // A key that is not percent-encoded stands for itself.
    }
    extra[key] = headerValues(value);
  }
  return extra;
}
