// Secrets of type kubernetes.io/service-account-token: filled with a token, the CA and the namespace, and removed with
// their ServiceAccount. Follows kubernetes v1.36 pkg/controller/serviceaccount/tokens_controller.go.
import { Secret, ServiceAccount } from "../kinds/index.ts";
import { defineController, maps, nothing, type Controller, type Plan } from "./framework/controller.ts";

const nameAnnotation = "kubernetes.io/service-account.name";
const uidAnnotation = "kubernetes.io/service-account.uid";
const byAccount = "service-account";

export interface LegacyTokenIssuer {
  /** Makes a token that is good as long as it is the one in the Secret. */
  issueLegacy(request: {
    readonly namespace: string;
    readonly serviceAccount: { readonly name: string; readonly uid: string };
    readonly secretName: string;
  }): string;
  /** False once the key that signed the token is used no longer. */
  isSigned(token: string): boolean;
}

const accountOf = ({ type, metadata }: Secret): string | undefined =>
  type === "kubernetes.io/service-account-token" ? metadata.annotations?.[nameAnnotation] : undefined;

interface Observed {
  readonly secret: Secret;
  readonly account: ServiceAccount | undefined;
}

export function decideTokenSecret(
  { secret, account }: Observed,
  { issuer, rootCaPem }: { readonly issuer: LegacyTokenIssuer; readonly rootCaPem: string },
): Plan {
  const { annotations = {}, name, namespace = "" } = secret.metadata;
  const bound = annotations[uidAnnotation];
  const isOrphan = !account || (bound !== undefined && bound !== account.metadata.uid);
  if (isOrphan) return { actions: [{ type: "delete", kind: Secret, object: secret }] };
  const wanted = {
    "ca.crt": Buffer.from(rootCaPem).toString("base64"),
    namespace: Buffer.from(namespace).toString("base64"),
  };
  const { data = {} } = secret;
  const { uid } = account.metadata;
  const hasToken = data.token && issuer.isSigned(Buffer.from(data.token, "base64").toString("utf8"));
  const isFilled = data["ca.crt"] === wanted["ca.crt"] && data.namespace === wanted.namespace && hasToken;
  if (isFilled && bound === uid) return nothing;
  const request = { namespace, serviceAccount: { name: account.metadata.name, uid }, secretName: name };
  const token = hasToken ? data.token : Buffer.from(issuer.issueLegacy(request)).toString("base64");
  const object = {
    ...secret,
    metadata: { ...secret.metadata, annotations: { ...annotations, [uidAnnotation]: uid } },
    data: { ...data, ...wanted, token },
  };
  return { actions: [{ type: "update", kind: Secret, object }] };
}

export const tokenSecrets = (issuer: LegacyTokenIssuer, rootCaPem: string): Controller =>
  defineController<Observed>({
    name: "serviceaccount-token-controller",
    primary: Secret,
    watches: [
      maps(ServiceAccount, ({ metadata: { name, namespace } }, caches) =>
        caches
          .of(Secret)
          .byIndex(byAccount, `${namespace}/${name}`)
          .map((secret) => `${namespace}/${secret.metadata.name}`),
      ),
    ],
    indexes: [
      {
        kind: Secret,
        name: byAccount,
        valuesOf: (secret: Secret) => {
          const account = accountOf(secret);
          return account ? [`${secret.metadata.namespace}/${account}`] : [];
        },
      },
    ],
    observe(key, caches) {
      const secret = caches.of(Secret).get(key);
      const name = secret && accountOf(secret);
      if (!name || secret.metadata.deletionTimestamp) return undefined;
      return { secret, account: caches.of(ServiceAccount).get(`${secret.metadata.namespace}/${name}`) };
    },
    decide: (observed) => decideTokenSecret(observed, { issuer, rootCaPem }),
  });
