// Who asks: client certificate, bearer token or nobody; then impersonation. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation (headers, attributes).
import type { IncomingHttpHeaders } from "node:http";
import { forbidden, statusError, unauthorized } from "../../machinery/errors.ts";
import type { Attributes, Authorizer, TokenAuthenticator, UserInfo } from "../types.ts";

/** Subject of a client certificate that the TLS layer verified against the cluster CA. */
export interface PeerIdentity {
  readonly commonName: string;
  readonly organizations: readonly string[];
}

export const anonymous: UserInfo = { name: "system:anonymous", groups: ["system:unauthenticated"] };
const authenticated = "system:authenticated";

/** Paths that need no credentials: what load balancers and start scripts ask. */
const openPaths = /^\/(?:livez|readyz|healthz)(?:\/|$)|^\/version\/?$/;

export interface AuthenticateOptions {
  readonly authenticators: readonly TokenAuthenticator[];
  /** Audiences that a token must carry one of to be good for the API server itself. */
  readonly audiences: readonly string[];
}

/** The user of a request. Throws Unauthorized for bad credentials, and for none except on the open paths. */
export async function authenticate(
  request: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly peer: PeerIdentity | undefined },
  { authenticators, audiences }: AuthenticateOptions,
): Promise<UserInfo> {
  if (request.peer?.commonName) {
    const { commonName, organizations } = request.peer;
    return { name: commonName, groups: [...organizations, authenticated] };
  }
  const token = bearerToken(request.headers);
  if (token !== undefined) {
    for (const authenticator of authenticators) {
      const found = await authenticator.authenticateToken(token);
      if (!found) continue;
      if (!found.audiences.some((audience) => audiences.includes(audience))) throw unauthorized();
      return found.user.groups.includes(authenticated)
        ? found.user
        : { ...found.user, groups: [...found.user.groups, authenticated] };
    }
    throw unauthorized();
  }
  if (openPaths.test(request.path)) return anonymous;
  throw unauthorized();
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

/** The user to act as: the caller, or whom the Impersonate headers name when the caller may impersonate them. */
export function impersonate(caller: UserInfo, headers: IncomingHttpHeaders, authorizer: Authorizer): UserInfo {
  const name = single(headers["impersonate-user"]);
  const groups = groupsOf(headers);
  const uid = single(headers["impersonate-uid"]);
  const extra = extraOf(headers);
  const hasExtra = Object.keys(extra).length > 0;
  if (name === undefined) {
    if (groups.length === 0 && uid === undefined && !hasExtra) return caller;
    throw statusError(
      "InternalError",
      "Internal error occurred: requested impersonation of groups, uid or extra without impersonating a user",
    );
  }
  const must = (attributes: Partial<Attributes>) => mustImpersonate(authorizer, caller, attributes);
  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  if (account) must({ resource: "serviceaccounts", namespace: account[1]!, name: account[2]! });
  else must({ resource: "users", name });
  for (const group of groups) must({ resource: "groups", name: group });
  if (uid !== undefined) must({ group: "authentication.k8s.io", version: "v1", resource: "uids", name: uid });
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      must({ group: "authentication.k8s.io", version: "v1", resource: "userextras", subresource: key, name: value });
    }
  }
  const implied = account ? ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`] : [];
  const all = groups.length > 0 ? groups : implied;
  const isAnonymous = name === anonymous.name;
  const added = isAnonymous ? "system:unauthenticated" : authenticated;
  return {
    name,
    groups: all.includes(added) || all.includes("system:unauthenticated") ? all : [...all, added],
    ...(uid !== undefined ? { uid } : {}),
    ...(hasExtra ? { extra } : {}),
  };
}

function mustImpersonate(authorizer: Authorizer, caller: UserInfo, attributes: Partial<Attributes>): void {
  const full: Attributes = {
    user: caller,
    verb: "impersonate",
    group: "",
    version: "v1",
    resource: "",
    subresource: "",
    namespace: "",
    name: "",
    ...attributes,
  };
  const decision = authorizer.authorize(full);
  if (decision.allowed) return;
  const where = full.namespace ? ` in the namespace "${full.namespace}"` : " at the cluster scope";
  throw forbidden(
    { group: full.group, resource: full.resource },
    full.name,
    `User "${caller.name}" cannot impersonate resource "${full.resource}" in API group "${full.group}"${where}`,
  );
}

const single = (value: string | string[] | undefined) => (Array.isArray(value) ? value[0] : value) || undefined;

function groupsOf(headers: IncomingHttpHeaders): string[] {
  const value = headers["impersonate-group"];
  const lines = Array.isArray(value) ? value : value === undefined ? [] : [value];
  // Node joins repeated unknown headers with a comma; group names hold none.
  return lines
    .flatMap((line) => line.split(","))
    .map((group) => group.trim())
    .filter(Boolean);
}

function extraOf(headers: IncomingHttpHeaders): Record<string, string[]> {
  const prefix = "impersonate-extra-";
  const extra: Record<string, string[]> = {};
  for (const [header, value] of Object.entries(headers)) {
    if (!header.startsWith(prefix) || value === undefined) continue;
    let key = header.slice(prefix.length);
    try {
      key = decodeURIComponent(key);
    } catch {
      // A key that is not percent-encoded stands for itself.
    }
    extra[key] = Array.isArray(value) ? value : value.split(",").map((part) => part.trim());
  }
  return extra;
}
