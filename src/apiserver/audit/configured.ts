// The audit log that an administrator asked for by flags.
import { readFileSync } from "node:fs";
import { webhookConnection } from "../../client/kubeconfig.ts";
import type { ApiServerFlags } from "../flags.ts";
import { createAuditor, type Auditor, type AuditorOptions } from "./auditor.ts";
import { logFileSink } from "./log-file.ts";
import { parsePolicy } from "./policy.ts";
import { webhookSink } from "./webhook.ts";

const dayMs = 86_400_000;
/** Megabytes of a file when nobody says how many. */
const usualMegabytes = 100;

/** Undefined without a policy, or without a place for events. Throws an Error that names the file when one is wrong. */
export async function configuredAudit(
  options: Omit<AuditorOptions, "policy" | "sinks"> & { readonly flags: ApiServerFlags },
): Promise<Auditor | undefined> {
  const { flags, clock } = options;
  const { auditPolicyFile, auditLogPath, auditWebhookConfigFile } = flags;
  if (!auditPolicyFile || !(auditLogPath || auditWebhookConfigFile)) return undefined;
  const policy = await parsePolicy(readFileSync(auditPolicyFile, "utf8")).catch((error: Error) => {
    throw new Error(`${auditPolicyFile}: ${error.message}`, { cause: error });
  });
  const connection = auditWebhookConfigFile ? await webhookConnection(auditWebhookConfigFile) : undefined;
  const number = (name: "auditLogMaxsize" | "auditLogMaxage" | "auditLogMaxbackup", flag: string): number => {
    const value = Number(flags[name] ?? 0);
    if (Number.isInteger(value) && value >= 0) return value;
    throw new Error(`${flag} must be a whole number, not ${JSON.stringify(flags[name])}`);
  };
  const limits = {
    maxBytes: (number("auditLogMaxsize", "--audit-log-maxsize") || usualMegabytes) * 1024 * 1024,
    maxBackups: number("auditLogMaxbackup", "--audit-log-maxbackup"),
    maxAgeMs: number("auditLogMaxage", "--audit-log-maxage") * dayMs,
  };
  return createAuditor({
    ...options,
    policy,
    sinks: (lost) => [
      ...(auditLogPath ? [logFileSink({ file: auditLogPath, clock, lost: lost("log"), ...limits })] : []),
      ...(connection ? [webhookSink({ connection, clock, lost: lost("webhook") })] : []),
    ],
  });
}
