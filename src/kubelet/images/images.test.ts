import assert from "node:assert/strict";
import { test } from "node:test";
import { credentialsFor, repositoryOf } from "./credentials.ts";
import { buildImage } from "./oci.ts";
import { isImageReference } from "./puller.ts";

test("image names are recognised", () => {
  for (const name of [
    "nginx",
    "nginx:1.25",
    "a/b/c:tag",
    "127.0.0.1:5000/x",
    "reg.example/x@sha256:" + "0".repeat(64),
    "sha256:" + "a".repeat(64),
  ])
    assert.equal(isImageReference(name), true, name);
  for (const name of ["", "Not A Name", "nginx:", "UPPER", "a//b"]) assert.equal(isImageReference(name), false, name);
});

test("an image's repository names its registry", () => {
  assert.equal(repositoryOf("nginx:1"), "index.docker.io/library/nginx");
  assert.equal(repositoryOf("docker.io/a/b"), "index.docker.io/a/b");
  assert.equal(repositoryOf("localhost:5000/x@sha256:1"), "localhost:5000/x");
});

test("pull secrets fit by host, wildcard and path, the most specific first", () => {
  const auths = {
    "https://index.docker.io/v1/": { username: "hub", password: "1" },
    "*.example.com": { auth: Buffer.from("wild:card").toString("base64") },
    "reg.example.com/team": { username: "team", password: "2" },
  };
  const data = { ".dockerconfigjson": Buffer.from(JSON.stringify({ auths })).toString("base64") };
  const metadata = { name: "s", uid: "", resourceVersion: "", creationTimestamp: "" };
  const secret = { apiVersion: "v1", kind: "Secret", metadata, data };
  const users = (image: string) => credentialsFor(image, [secret]).map(({ username }) => username);
  assert.deepEqual(users("nginx"), ["hub"]);
  assert.deepEqual(users("reg.example.com/team/app:1"), ["team", "wild"]);
  assert.deepEqual(users("reg.example.com/other"), ["wild"]);
  assert.deepEqual(users("example.com/x"), []);
});

test("equal files give the same image, and long names survive", () => {
  const source = (text: string) => ({
    name: "t:1",
    files: [{ path: `deep/${"x".repeat(120)}/file`, type: "file" as const, content: Buffer.from(text) }],
  });
  assert.equal(buildImage(source("a")).digest, buildImage(source("a")).digest);
  assert.notEqual(buildImage(source("a")).digest, buildImage(source("b")).digest);
  assert.ok(buildImage(source("a")).tar.includes("././@LongLink"));
});
