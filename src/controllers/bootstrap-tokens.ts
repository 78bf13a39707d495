// Bootstrap tokens: Secrets in kube-system that end at their time, and sign the cluster's public data for machines that
// know nothing but such a token. Follows kubernetes v1.36 pkg/controller/bootstrap (tokencleaner, bootstrapsigner).
import { createHmac } from "node:crypto";
import { ConfigMap, Namespace, Secret } from "../kinds/index.ts";
import { parseTime } from "../machinery/clock.ts";
import { deepEqual } from "../machinery/equal.ts";
import { defineController, maps, nothing, type Controller, type Plan } from "./framework/controller.ts";

const tokenType = "bootstrap.kubernetes.io/token";
const tokenNamespace = "kube-system";
const publicNamespace = "kube-public";
const infoName = "cluster-info";
const signaturePrefix = "jws-kubeconfig-";

const textIn = ({ data }: Secret, key: string) => Buffer.from(data?.[key] ?? "", "base64").toString("utf8");
const isToken = ({ type, metadata }: Secret) => type === tokenType && metadata.namespace === tokenNamespace;

/** Epoch milliseconds, infinity without an end, and the past when the end cannot be read. */
function endOf(secret: Secret): number {
  const text = textIn(secret, "expiration");
  if (text === "") return Number.POSITIVE_INFINITY;
  const at = parseTime(text);
  return Number.isNaN(at) ? 0 : at;
}

export function decideTokenEnd(secret: Secret, now: number): Plan {
  const end = endOf(secret);
  if (end <= now) return { actions: [{ type: "delete", kind: Secret, object: secret }] };
  return Number.isFinite(end) ? { actions: [], requeueAfterMs: end - now } : nothing;
}

export const tokenCleaner = defineController<Secret>({
  name: "token-cleaner",
  primary: Secret,
  watches: [],
  observe(key, caches) {
    const secret = caches.of(Secret).get(key);
    return secret && isToken(secret) && !secret.metadata.deletionTimestamp ? secret : undefined;
  },
  decide: decideTokenEnd,
});

/** A detached JSON Web Signature: header and signature around content that both sides have. */
export function detachedSignature(content: string, id: string, secret: string): string {
  const encoded = (text: string) => Buffer.from(text).toString("base64url");
  const header = encoded(JSON.stringify({ alg: "HS256", kid: id }));
  const signature = createHmac("sha256", secret)
    .update(`${header}.${encoded(content)}`)
    .digest("base64url");
  return `${header}..${signature}`;
}

interface Observed {
  readonly info: ConfigMap | undefined;
  readonly secrets: readonly Secret[];
}

const withoutCa = (kubeconfig: string) => kubeconfig.replace(/certificate-authority-data: \S+/, "");

/** Keeps a signature of every token that may sign, and none of others; makes the ConfigMap when it is missing. */
export function decideClusterInfo({ info, secrets }: Observed, kubeconfig: string, now: number): Plan {
  const stored = info?.data?.kubeconfig;
  // What somebody else wrote stays; Knarr's own follows the CA.
  const content = stored === undefined || withoutCa(stored) === withoutCa(kubeconfig) ? kubeconfig : stored;
  const others = Object.entries(info?.data ?? {}).filter(([key]) => !key.startsWith(signaturePrefix));
  const signers = secrets.filter(
    (secret) => textIn(secret, "usage-bootstrap-signing") === "true" && endOf(secret) > now,
  );
  const signatures = signers.flatMap((secret): [string, string][] => {
    const [id, key] = [textIn(secret, "token-id"), textIn(secret, "token-secret")];
    return id && key ? [[signaturePrefix + id, detachedSignature(content, id, key)]] : [];
  });
  const data = { ...Object.fromEntries(others), kubeconfig: content, ...Object.fromEntries(signatures) };
  if (info && deepEqual(info.data, data)) return nothing;
  if (info) {
    const object = { ...info, data };
    return { actions: [{ type: "update", kind: ConfigMap, object }] };
  }
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: infoName, namespace: publicNamespace },
    data,
  };
  return { actions: [{ type: "create", kind: ConfigMap, object }] };
}

/** `kubeconfig` says where the cluster is and which CA it has, and holds no credentials. */
export const bootstrapSigner = (kubeconfig: string): Controller =>
  defineController<Observed>({
    name: "bootstrap-signer",
    primary: Namespace,
    watches: [
      maps(Secret, (secret) => (isToken(secret) ? [publicNamespace] : [])),
      maps(ConfigMap, ({ metadata }) =>
        metadata.name === infoName && metadata.namespace === publicNamespace ? [publicNamespace] : [],
      ),
    ],
    indexes: [{ kind: Secret, name: tokenType, valuesOf: (secret: Secret) => (isToken(secret) ? ["token"] : []) }],
    observe(key, caches) {
      if (key !== publicNamespace || !caches.of(Namespace).get(key)) return undefined;
      return {
        info: caches.of(ConfigMap).get(`${publicNamespace}/${infoName}`),
        secrets: caches.of(Secret).byIndex(tokenType, "token"),
      };
    },
    decide: (observed, now) => decideClusterInfo(observed, kubeconfig, now),
  });
