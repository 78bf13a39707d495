// Acting as somebody else: the Impersonate headers of those who may. Follows kubernetes v1.36
// staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation (headers, attributes).
import type { IncomingHttpHeaders } from "node:http";
import { forbidden, statusError } from "../../machinery/errors.ts";
import type { Attributes, Authorizer, UserInfo } from "../types.ts";
import { anonymous, authenticated, extraHeaders, headerValue, headerValues } from "./authenticate.ts";
import { sameUser } from "./same-user.ts";

/** The user to act as: the caller, or whom the Impersonate headers name when the caller may impersonate them. */
export function impersonate(
  caller: UserInfo,
  headers: IncomingHttpHeaders,
  authorizer: Authorizer,
): UserInfo | Promise<UserInfo> {
  for (const name in headers) if (name.startsWith("impersonate-")) return impersonated(caller, headers, authorizer);
  return caller;
}

async function impersonated(caller: UserInfo, headers: IncomingHttpHeaders, authorizer: Authorizer): Promise<UserInfo> {
  const name = headerValue(headers["impersonate-user"]);
  const groups = headerValues(headers["impersonate-group"]);
  const uid = headerValue(headers["impersonate-uid"]);
  const extra = extraHeaders(headers, "impersonate-extra-");
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
  if (account) await must({ resource: "serviceaccounts", namespace: account[1]!, name: account[2]! });
  else await must({ resource: "users", name });
  for (const group of groups) await must({ resource: "groups", name: group });
  if (uid !== undefined) await must({ group: "authentication.k8s.io", version: "v1", resource: "uids", name: uid });
  for (const [key, values] of Object.entries(extra)) {
    for (const value of values) {
      await must({
        group: "authentication.k8s.io",
        version: "v1",
        resource: "userextras",
        subresource: key,
        name: value,
      });
    }
  }
  const implied = account ? ["system:serviceaccounts", `system:serviceaccounts:${account[1]}`] : [];
  const all = groups.length > 0 ? groups : implied;
  const isAnonymous = name === anonymous.name;
  const added = isAnonymous ? "system:unauthenticated" : authenticated;
  return sameUser({
    name,
    groups: all.includes(added) || all.includes("system:unauthenticated") ? all : [...all, added],
    ...(uid !== undefined ? { uid } : {}),
    ...(hasExtra ? { extra } : {}),
  });
}

async function mustImpersonate(
  authorizer: Authorizer,
  caller: UserInfo,
  attributes: Partial<Attributes>,
): Promise<void> {
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
  await authorizer.prepare?.(full);
  const decision = authorizer.authorize(full);
  if (decision.allowed) return;
  const where = full.namespace ? ` in the namespace "${full.namespace}"` : " at the cluster scope";
  throw forbidden(
    { group: full.group, resource: full.resource },
    full.name,
    `User "${caller.name}" cannot impersonate resource "${full.resource}" in API group "${full.group}"${where}`,
  );
}
