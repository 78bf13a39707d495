// /livez, /readyz, /healthz, /version, /metrics and the OpenID discovery documents.
import { createHash } from "node:crypto";
import { jsonResponse, textResponse, type EdgeRequest, type EdgeResponse } from "./exchange.ts";
import { isTrue } from "./request-info.ts";
import type { EdgeServices } from "./services.ts";

const kubernetesVersion = { major: "1", minor: "36", patch: "0" };

/** Keys change seldom, and old ones stay good for long. */
const keysCached = { "cache-control": "public, max-age=3600" };

type PathHandler = (services: EdgeServices, request: EdgeRequest) => EdgeResponse;

const rows: Readonly<Record<string, PathHandler>> = {
  "/version": ({ version }) => jsonResponse(versionInfo(version)),
  "/metrics": ({ metrics }) => ({
    status: 200,
    headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
    body: metrics.render(),
  }),
  "/.well-known/openid-configuration": ({ tokens }) => ({
    ...jsonResponse({
      issuer: tokens.issuer,
      jwks_uri: `${tokens.issuer}/openid/v1/jwks`,
      response_types_supported: ["id_token"],
      subject_types_supported: ["public"],
      id_token_signing_alg_values_supported: ["ES256"],
    }),
    headers: { "content-type": "application/json", ...keysCached },
  }),
  "/openid/v1/jwks": ({ tokens }) => ({
    ...jsonResponse(tokens.keys()),
    headers: { "content-type": "application/jwk-set+json", ...keysCached },
  }),
};

/** Clients want a hash for the commit; Knarr's own version stands for it, as a package has no history. */
function versionInfo(version: string): Record<string, string> {
  const { major, minor, patch } = kubernetesVersion;
  return {
    major,
    minor,
    emulationMajor: major,
    emulationMinor: minor,
    gitVersion: `v${major}.${minor}.${patch}+knarr.${version}`,
    gitCommit: createHash("sha1").update(version).digest("hex"),
    gitTreeState: "clean",
    buildDate: "",
    goVersion: "",
    compiler: `node ${process.version}`,
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
}

/** The answer for a path that is no API path; undefined when there is none. */
export function answerPath(services: EdgeServices, request: EdgeRequest): EdgeResponse | undefined {
  const path = request.path.length > 1 ? request.path.replace(/\/$/, "") : request.path;
  if (path === "/") return jsonResponse({ paths: rootPaths });
  const row = rows[path];
  if (row) return row(services, request);
  const table = /^\/debug\/api_priority_and_fairness\/(\w+)$/.exec(path);
  if (table) {
    const text = services.flow.dump(table[1]!, isTrue(request.query.get("includeRequestDetails")));
    return text === undefined ? undefined : textResponse(text);
  }
  const match = /^\/(livez|readyz|healthz)(?:\/([\w-]+))?$/.exec(path);
  return match ? health(services, match[1]!, match[2], request) : undefined;
}

const rootPaths = [
  "/.well-known/openid-configuration",
  "/api",
  "/apis",
  "/debug/api_priority_and_fairness/dump_priority_levels",
  "/debug/api_priority_and_fairness/dump_queues",
  "/debug/api_priority_and_fairness/dump_requests",
  "/debug/pprof",
  "/healthz",
  "/livez",
  "/metrics",
  "/openapi/v2",
  "/openapi/v3",
  "/openid/v1/jwks",
  "/readyz",
  "/version",
];

function health(
  services: EdgeServices,
  endpoint: string,
  only: string | undefined,
  request: EdgeRequest,
): EdgeResponse | undefined {
  const further = endpoint === "livez" ? [] : services.checks();
  const failing = further.filter(({ isGood }) => !isGood);
  const missing = endpoint === "livez" ? [] : [...failing.map(({ name }) => name), ...services.notReady()];
  const checks = [...new Set(["ping", "store", ...further.map(({ name }) => name), ...missing])];
  if (only !== undefined) {
    if (!checks.includes(only)) return undefined;
    return missing.includes(only) ? textResponse(`${only} is not ready`, 500) : textResponse("ok");
  }
  const lines = checks.map((check) => (missing.includes(check) ? `[-]${check} failed: not ready` : `[+]${check} ok`));
  const good = missing.length === 0;
  const verdict = `${endpoint} check ${good ? "passed" : "failed"}`;
  if (!good) return textResponse(`${lines.join("\n")}\n${verdict}\n`, 500);
  return isTrue(request.query.get("verbose")) ? textResponse(`${lines.join("\n")}\n${verdict}\n`) : textResponse("ok");
}
