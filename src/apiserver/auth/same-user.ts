// Of equal users one object: what others keep about a user, such as its rules, is found again with its next request.
import type { UserInfo } from "../types.ts";

const mostUsers = 512;
const users = new Map<string, UserInfo>();

/** The user as it was first seen, for those whose requests do not bring the object along. */
export function sameUser(user: UserInfo): UserInfo {
  const key = JSON.stringify(user);
  const known = users.get(key);
  if (known) return known;
  if (users.size >= mostUsers) users.delete(users.keys().next().value!);
  users.set(key, user);
  return user;
}
