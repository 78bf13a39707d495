// knarr secrets: says from the stored bytes what is encrypted with which key, and changes the key.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { prefixOf } from "../apiserver/encryption/codec.ts";
import { keyFileOf, newKey, readKeyFile, writeKeyFile } from "../apiserver/encryption/key-file.ts";
import { runningPid } from "../host/child.ts";
import { realClock, sleep } from "../machinery/clock.ts";
import { readStored, type StoredVersion } from "../store/read.ts";
import { noCluster, type Place } from "./connect.ts";
import { readSettings } from "./settings.ts";
import { pidFileOf } from "./up.ts";

/** How values of a resource are stored. */
interface Form {
  /** As kubectl names it: `deployments.apps`. */
  readonly resource: string;
  /** `plaintext`, `aesgcm`, `aescbc`, `secretbox` or `kms`. */
  readonly provider: string;
  /** Name of the key or the plugin; empty for plaintext. */
  readonly key: string;
  objects: number;
  /** Replaced and deleted versions that watches may still ask for. */
  oldVersions: number;
}

/** Counts what is stored by resource and form, in the order of their names. Versions come by revision. */
export function formsOf(versions: Iterable<StoredVersion>): readonly Form[] {
  const forms = new Map<string, Form>();
  const newest = new Map<string, Form>();
  for (const { key, deleted, value } of versions) {
    const object = `${key.collection} ${key.namespace}/${key.name}`;
    const before = newest.get(object);
    if (before) {
      before.objects--;
      before.oldVersions++;
      newest.delete(object);
    }
    if (value.length === 0) continue;
    const form = formOf(key.collection, value);
    const id = `${form.resource} ${form.provider} ${form.key}`;
    const known = forms.get(id) ?? form;
    forms.set(id, known);
    if (deleted) known.oldVersions++;
    else {
      known.objects++;
      newest.set(object, known);
    }
  }
  return [...forms].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, form]) => form);
}

function formOf(collection: string, value: Uint8Array): Form {
  const [group, plural] = collection.split("/");
  const [, , provider = "plaintext", , key = ""] = prefixOf(value)?.split(":") ?? [];
  return { resource: group ? `${plural}.${group}` : plural!, provider, key, objects: 0, oldVersions: 0 };
}

/** Prints the forms of what is stored now; exits with 1 when a Secret is in plain text. */
export function status({ output, ...place }: Place & { readonly output?: string | undefined }): void {
  const file = join(place.dataDir, "store.db");
  if (!existsSync(file)) throw noCluster(place);
  if (output !== undefined && output !== "json") throw new Error(`there is no output format "${output}": use json`);
  const forms = formsOf(readStored(file));
  if (output === "json") console.log(JSON.stringify({ file, forms }, null, 2));
  else {
    const rows = forms.map((f) => [f.resource, f.provider, f.key, String(f.objects), String(f.oldVersions)]);
    console.log(aligned([["RESOURCE", "PROVIDER", "KEY", "OBJECTS", "OLD VERSIONS"], ...rows]));
  }
  const open = forms.filter(({ resource, provider }) => resource === "secrets" && provider === "plaintext");
  if (open.length === 0) return;
  console.error(`knarr: Secrets are stored in plain text in ${file}`);
  process.exitCode = 1;
}

function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]! + 2))
        .join("")
        .trimEnd(),
    )
    .join("\n");
}

const rotationMs = 600_000;
const lookMs = 100;

/** Has everything encrypted with a new key; resolves when the old one is gone, or at once when the cluster does not run. */
export async function rotate(place: Place): Promise<void> {
  const settings = readSettings(place.dataDir);
  const keyFile = keyFileOf(place.dataDir);
  const keys = readKeyFile(keyFile);
  const config = settings?.apiServer?.encryptionProviderConfig;
  if (config)
    throw new Error(
      `the keys of this cluster are in ${config}: put a new one before the others; it is loaded by itself`,
    );
  if (!keys) throw new Error(`there is no ${keyFile}: the cluster makes it when it starts`);
  if (keys.length === 1) writeKeyFile(keyFile, [newKey(), ...keys]);
  const { name } = readKeyFile(keyFile)![0]!;
  const deadline = realClock.now() + rotationMs;
  while (readKeyFile(keyFile)!.length > 1) {
    if (runningPid(pidFileOf(place.dataDir)) === undefined) {
      console.log(
        `Knarr does not run: Secrets are encrypted with ${name} at the next start, then the old key is dropped`,
      );
      return;
    }
    if (realClock.now() > deadline)
      throw new Error("the rotation has not ended yet; see knarr.log. Until then both keys are kept");
    await sleep(realClock, lookMs);
  }
  console.log(
    `Secrets are encrypted with ${name}, and the old key is gone; backups made before need the old ${keyFile}`,
  );
}
