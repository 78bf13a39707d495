// Bearer tokens from a file: one line of CSV for each, `token,user,uid,"group1,group2"`.
// Follows kubernetes v1.36 apiserver/pkg/authentication/token/tokenfile.
import { createHash } from "node:crypto";
import type { TokenAuthenticator, UserInfo } from "../types.ts";

/** Throws an Error that names the line, and never the token, when the text is not as it should be. */
export function staticTokens(text: string, audiences: readonly string[]): TokenAuthenticator {
  const users = new Map<string, UserInfo>();
  for (const { line, fields } of csvRows(text)) {
    const [token, name, uid, groups = ""] = fields;
    if (fields.length < 3)
      throw new Error(`line ${line}: ${fields.length} columns; token, user name and uid are needed`);
    if (!token || !name) throw new Error(`line ${line}: the token or the user name is empty`);
    users.set(digest(token), {
      name,
      ...(uid ? { uid } : {}),
      groups: groups.split(",").flatMap((group) => group.trim() || []),
    });
  }
  return {
    authenticateToken(token) {
      const user = users.get(digest(token));
      return Promise.resolve(user && { user, audiences });
    },
  };
}

/** Tokens are found by their digest: that takes as long whatever they have in common with a guess, and keeps none. */
const digest = (token: string) => createHash("sha256").update(token).digest("base64");

function* csvRows(text: string): Generator<{ line: number; fields: string[] }> {
  for (const [index, row] of text.split(/\r?\n/).entries()) {
    if (row.trim() === "") continue;
    const fields: string[] = [];
    const field = /\s*(?:"((?:[^"]|"")*)"|([^,"]*))\s*(,|$)/y;
    for (let end = ","; end === ",";) {
      const match = field.exec(row);
      if (!match) throw new Error(`line ${index + 1}: quotes do not match`);
      fields.push(match[1]?.replaceAll('""', '"') ?? match[2]!.trim());
      end = match[3]!;
    }
    yield { line: index + 1, fields };
  }
}
