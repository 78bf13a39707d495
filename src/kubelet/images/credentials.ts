// Registry credentials from imagePullSecrets. Follows kubernetes v1.36 pkg/credentialprovider/keyring.go (matching).
import type { Secret } from "../../kinds/generated/core.v1.ts";
import type { AuthConfig } from "../cri/types.ts";

interface Entry {
  /** Host (with `*` in its labels), optional port and path prefix. */
  readonly pattern: string;
  readonly auth: AuthConfig;
}

interface DockerAuth {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

/** Credentials of a Secret of type dockerconfigjson or dockercfg; none when it is of another type or malformed. */
function registryCredentials(secret: Secret): Entry[] {
  const data = secret.data?.[".dockerconfigjson"] ?? secret.data?.[".dockercfg"];
  if (!data) return [];
  try {
    const config = JSON.parse(Buffer.from(data, "base64").toString("utf8")) as { auths?: Record<string, DockerAuth> };
    const auths = secret.data?.[".dockerconfigjson"] ? (config.auths ?? {}) : (config as Record<string, DockerAuth>);
    return Object.entries(auths).map(([url, auth]) => ({ pattern: patternOf(url), auth: authOf(auth) }));
  } catch {
    return [];
  }
}

const patternOf = (url: string): string =>
  url
    .replace(/^https?:\/\//, "")
    .replace(/\/(v1|v2)?\/?$/, "")
    .replace(/^(www\.)?docker\.io$/, "index.docker.io");

function authOf({ username, password, auth, identitytoken }: DockerAuth): AuthConfig {
  if (identitytoken) return { identityToken: identitytoken };
  if (username !== undefined && password !== undefined) return { username, password };
  const [user = "", ...rest] = Buffer.from(auth ?? "", "base64")
    .toString("utf8")
    .split(":");
  return { username: user, password: rest.join(":") };
}

/** Registry host and path of an image reference: `nginx` is `index.docker.io/library/nginx`. */
export function repositoryOf(image: string): string {
  const name = image.replace(/@.*$/, "").replace(/:[^/:]*$/, "");
  const slash = name.indexOf("/");
  const first = slash < 0 ? "" : name.slice(0, slash);
  const hasHost = first.includes(".") || first.includes(":") || first === "localhost";
  if (!hasHost) return `index.docker.io/${slash < 0 ? `library/${name}` : name}`;
  return name.replace(/^docker\.io\//, "index.docker.io/");
}

function matches(pattern: string, repository: string): boolean {
  const [host = "", ...path] = pattern.split("/");
  const [wantedHost = "", ...wantedPath] = repository.split("/");
  const labels = host.split(".");
  const wantedLabels = wantedHost.split(".");
  if (labels.length !== wantedLabels.length) return false;
  const glob = (text: string) => new RegExp(`^${text.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")}$`);
  if (!labels.every((label, index) => glob(label).test(wantedLabels[index]!))) return false;
  return wantedPath.join("/").startsWith(path.join("/"));
}

/** What fits an image, the most specific first. */
export function credentialsFor(image: string, secrets: readonly Secret[]): AuthConfig[] {
  const repository = repositoryOf(image);
  return secrets
    .flatMap(registryCredentials)
    .filter(({ pattern }) => matches(pattern, repository))
    .toSorted((a, b) => b.pattern.length - a.pattern.length)
    .map(({ auth }) => auth);
}
