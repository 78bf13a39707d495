// Secret: confidential keys and values.
import type * as core from "../generated/core.v1.ts";
import { invalidValue, keyed, required, tooLong } from "../../machinery/field.ts";
import { configMapKeyErrors } from "../../machinery/names.ts";
import { complaints, eachEntry, type Errors, unchanged } from "../checks.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { immutableDataErrors, maxDataBytes } from "./immutable-data.ts";
import { defineKind } from "../kind.ts";

export type Secret = core.Secret;

/** Keys that a secret of a type must have. */
const requiredKeys = new Map<string, readonly string[]>(
  Object.entries({
    "kubernetes.io/dockercfg": [".dockercfg"],
    "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
    "kubernetes.io/ssh-auth": ["ssh-privatekey"],
    "kubernetes.io/tls": ["tls.crt", "tls.key"],
  }),
);

const serviceAccountName = "kubernetes.io/service-account.name";

function jsonErrors(secret: core.Secret, key: string): Errors {
  const text = secret.data?.[key];
  if (text === undefined) return [];
  try {
    JSON.parse(Buffer.from(text, "base64").toString());
    return [];
  } catch (error) {
    return [invalidValue(keyed("data", key), "<secret contents redacted>", (error as Error).name)];
  }
}

/** What the type of a secret asks of its content. */
function contentErrors(secret: core.Secret): Errors {
  const type = secret.type ?? "";
  const has = (key: string) => Object.hasOwn(secret.data ?? {}, key);
  const keys = requiredKeys.get(type) ?? [];
  const errors: Errors = keys.filter((key) => !has(key)).map((key) => required(keyed("data", key)));
  if (type.startsWith("kubernetes.io/dockerc")) for (const key of keys) errors.push(...jsonErrors(secret, key));
  if (type === "kubernetes.io/basic-auth" && !has("username") && !has("password")) {
    errors.push(required(keyed("data", "username")), required(keyed("data", "password")));
  }
  if (type === "kubernetes.io/service-account-token" && !secret.metadata.annotations?.[serviceAccountName]) {
    errors.push(required(keyed("metadata.annotations", serviceAccountName)));
  }
  return errors;
}

export const Secret = defineKind<Secret>("v1", "Secret", {
  selectableFields: { type: (secret) => secret.type ?? "" },
  columns: [
    nameColumn,
    column("Type", (secret) => secret.type ?? ""),
    column("Data", (secret) => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  defaults: (draft) => {
    draft.type ||= "Opaque";
    if (!draft.stringData) return;
    draft.data = { ...draft.data };
    for (const [key, text] of Object.entries(draft.stringData)) draft.data[key] = Buffer.from(text).toString("base64");
    delete draft.stringData;
  },
  validate: (secret) => {
    const bytes = Object.values(secret.data ?? {}).reduce((sum, text) => sum + Buffer.byteLength(text, "base64"), 0);
    return [
      ...eachEntry("data", secret.data, (at, _, key) => complaints(at, key, configMapKeyErrors(key))),
      ...(bytes > maxDataBytes ? [tooLong("data", maxDataBytes)] : []),
      ...contentErrors(secret),
    ];
  },
  validateUpdate: (secret, old) => [
    ...unchanged("type", secret.type, old.type),
    ...immutableDataErrors(secret, old, ["data"]),
  ],
});
