// An issuer of OpenID Connect tokens and review webhooks on loopback, and tokens of all sorts made by hand.
import { constants, createHmac, createPrivateKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

const encoded = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

export interface TestKey {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: KeyObject;
  readonly jwk: Record<string, unknown>;
}

const curves: Readonly<Record<string, string>> = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };

export function makeKey(kid: string, alg: string): TestKey {
  const { privateKey, publicKey } = curves[alg]
    ? generateKeyPairSync("ec", { namedCurve: curves[alg]! })
    : generateKeyPairSync("rsa", { modulusLength: 2048 });
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, use: "sig" } };
}

/** Signs as the algorithm of the header says, whatever else the header says. */
export function signJwt(claims: unknown, header: Record<string, unknown>, key: KeyObject | string): string {
  const text = `${encoded(header)}.${encoded(claims)}`;
  const alg = String(header.alg);
  if (alg.startsWith("HS")) return `${text}.${createHmac("sha256", key).update(text).digest("base64url")}`;
  const privateKey = typeof key === "string" ? createPrivateKey(key) : key;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(2)) / 8 };
  const options = { key: privateKey, dsaEncoding: "ieee-p1363" as const, ...(alg.startsWith("PS") ? pss : {}) };
  return `${text}.${sign(`sha${alg.slice(2)}`, Buffer.from(text), options).toString("base64url")}`;
}

export const signedBy = ({ kid, alg, privateKey }: TestKey, claims: unknown): string =>
  signJwt(claims, { alg, kid, typ: "JWT" }, privateKey);

export interface Reviewer extends AsyncDisposable {
  readonly url: string;
  /** What was asked, in order. */
  readonly asked: any[];
  /** The HTTP status of answers. */
  status: number;
}

interface Certificate {
  readonly certPem: string;
  readonly keyPem: string;
}

/** An HTTPS server on loopback that answers GETs by path and POSTs with what `review` makes of them. */
export async function startReviewer(
  { certPem, keyPem }: Certificate,
  answers: { get?: (path: string, url: string) => unknown; review?: (body: any) => unknown },
): Promise<Reviewer> {
  const asked: any[] = [];
  const server: Server = createServer({ cert: certPem, key: keyPem }, (request, response) => {
    const answer = async () => {
      const body = request.method === "POST" ? await json(request) : undefined;
      asked.push(body ?? request.url);
      const value = body ? answers.review?.(body) : answers.get?.(request.url!, reviewer.url);
      response.writeHead(value === undefined ? 404 : reviewer.status, { "content-type": "application/json" });
      response.end(typeof value === "string" ? value : JSON.stringify(value ?? {}));
    };
    void answer();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const reviewer: Reviewer = {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    status: 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return reviewer;
}

export const webhookKubeconfig = (url: string, caPem: string): string =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "webhook",
    contexts: [{ name: "webhook", context: { cluster: "webhook", user: "api" } }],
    clusters: [
      {
        name: "webhook",
        cluster: { server: `${url}/review`, "certificate-authority-data": Buffer.from(caPem).toString("base64") },
      },
    ],
    users: [{ name: "api", user: {} }],
  });
