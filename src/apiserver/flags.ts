// What an administrator may give the API server, named and formed as kube-apiserver's flags: `knarr up` has one option for
// each row, and the cluster's settings keep what was given.

/** Files are absolute paths. Absent: the default of the row. */
export interface ApiServerFlags {
  readonly tokenAuthFile?: string;
  readonly authenticationConfig?: string;
  readonly authenticationTokenWebhookConfigFile?: string;
  readonly authenticationTokenWebhookCacheTtl?: string;
  readonly authorizationConfig?: string;
  readonly auditPolicyFile?: string;
  readonly auditLogPath?: string;
  readonly auditLogMaxsize?: string;
  readonly auditLogMaxage?: string;
  readonly auditLogMaxbackup?: string;
  readonly auditWebhookConfigFile?: string;
  readonly encryptionProviderConfig?: string;
  readonly maxRequestsInflight?: string;
  readonly maxMutatingRequestsInflight?: string;
  readonly requestTimeout?: string;
  readonly shutdownDelayDuration?: string;
}

interface FlagRow {
  /** As commander wants it; what ends with `<file>` is a path. */
  readonly flag: string;
  readonly description: string;
}

export const apiServerFlags: Readonly<Record<keyof ApiServerFlags, FlagRow>> = {
  tokenAuthFile: { flag: "--token-auth-file <file>", description: "static bearer tokens (CSV)" },
  authenticationConfig: {
    flag: "--authentication-config <file>",
    description: "AuthenticationConfiguration: JWT issuers (OIDC) and anonymous access",
  },
  authenticationTokenWebhookConfigFile: {
    flag: "--authentication-token-webhook-config-file <file>",
    description: "kubeconfig of a webhook that reviews bearer tokens",
  },
  authenticationTokenWebhookCacheTtl: {
    flag: "--authentication-token-webhook-cache-ttl <duration>",
    description: "how long the webhook's answers are used again (default 2m)",
  },
  authorizationConfig: {
    flag: "--authorization-config <file>",
    description: "AuthorizationConfiguration: chain of authorizers, webhooks among them",
  },
  auditPolicyFile: { flag: "--audit-policy-file <file>", description: "audit Policy" },
  auditLogPath: { flag: "--audit-log-path <file>", description: "file for audit events" },
  auditLogMaxsize: {
    flag: "--audit-log-maxsize <megabytes>",
    description: "size at which a new file begins (default 100)",
  },
  auditLogMaxage: { flag: "--audit-log-maxage <days>", description: "how long old files are kept (default: for ever)" },
  auditLogMaxbackup: {
    flag: "--audit-log-maxbackup <number>",
    description: "how many old files are kept (default: all)",
  },
  auditWebhookConfigFile: {
    flag: "--audit-webhook-config-file <file>",
    description: "kubeconfig of a webhook for audit events",
  },
  encryptionProviderConfig: {
    flag: "--encryption-provider-config <file>",
    description: "EncryptionConfiguration in place of the default encryption of Secrets",
  },
  maxRequestsInflight: {
    flag: "--max-requests-inflight <number>",
    description: "requests that run at once, shared out by priority levels (default 400)",
  },
  maxMutatingRequestsInflight: {
    flag: "--max-mutating-requests-inflight <number>",
    description: "added to the above (default 200)",
  },
  requestTimeout: {
    flag: "--request-timeout <duration>",
    description: "time limit of requests other than watches and streams (default 1m0s)",
  },
  shutdownDelayDuration: {
    flag: "--shutdown-delay-duration <duration>",
    description: "how long requests are still taken once the server ends and /readyz fails (default 0s)",
  },
};
