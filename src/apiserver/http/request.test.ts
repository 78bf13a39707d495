// Paths, queries, bodies and Accept headers: the pure parts of the edge.
import { Readable } from "node:stream";
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { StatusError } from "../../machinery/errors.ts";
import { decodeJson, decodeYaml } from "./body.ts";
import { RequestBody, sourceOf } from "./request-body.ts";
import { parseYaml } from "./yaml-worker.ts";
import { compareVersions } from "./discovery.ts";
import { negotiate } from "./negotiate.ts";
import { deleteParameters, listParameters, writeParameters } from "./query.ts";
import { parseRequest } from "./request-info.ts";

const parse = (method: string, target: string) => {
  const [path = "", query = ""] = target.split("?");
  const info = parseRequest(method, path, new URLSearchParams(query));
  if (info.type === "nonResource") return `${info.verb} ${info.path}`;
  const { verb, group, version, namespace, resource, name, subresource, rest } = info;
  return [verb, `${group}/${version}`, namespace, resource, name, subresource, rest].join("|");
};

test("paths mean what they mean upstream", () => {
  const rows: [string, string, string][] = [
    ["GET", "/api/v1/namespaces/a/pods/b", "get|/v1|a|pods|b||"],
    ["HEAD", "/api/v1/namespaces/a/pods/b", "get|/v1|a|pods|b||"],
    ["GET", "/api/v1/pods", "list|/v1||pods|||"],
    ["GET", "/api/v1/pods?watch=true", "watch|/v1||pods|||"],
    ["GET", "/api/v1/pods?watch=0", "list|/v1||pods|||"],
    ["GET", "/api/v1/watch/namespaces/a/pods/b", "watch|/v1|a|pods|b||"],
    ["DELETE", "/api/v1/namespaces/a/pods", "deletecollection|/v1|a|pods|||"],
    ["GET", "/api/v1/namespaces/a", "get|/v1|a|namespaces|a||"],
    ["PUT", "/api/v1/namespaces/a/finalize", "update|/v1|a|namespaces|a|finalize|"],
    ["PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale", "patch|apps/v1|a|deployments|d|scale|"],
    ["POST", "/api/v1/namespaces/a/pods/b/proxy/x%2Fy/z", "create|/v1|a|pods|b|proxy|/x%2Fy/z"],
    ["GET", "/api/v1/namespaces/a/pods/b/proxy", "get|/v1|a|pods|b|proxy|"],
    ["GET", "/api/v1/namespaces/a/pods/b/proxy/", "get|/v1|a|pods|b|proxy|/"],
    ["GET", "/apis/apps/v1", "get /apis/apps/v1"],
    ["GET", "/api/v1", "get /api/v1"],
    ["GET", "/healthz", "get /healthz"],
    ["POST", "/api/v1/namespaces/a%20b/pods", "create|/v1|a b|pods|||"],
  ];
  for (const [method, target, wanted] of rows) assert.equal(parse(method, target), wanted, target);
});

test("no path crashes the parser", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (path, query) => {
      try {
        parseRequest("GET", `/${path}`, new URLSearchParams(query));
      } catch (error) {
        assert.ok(error instanceof StatusError && error.code === 400);
      }
    }),
  );
});

const failure = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof StatusError);
    return `${error.code} ${error.message}`;
  }
  return "";
};

test("bad parameters are refused by name", () => {
  const write = (query: string, isApply = false) =>
    failure(() => writeParameters(new URLSearchParams(query), "PatchOptions", { isApply }));
  assert.match(write("dryRun=Some"), /^422 .*dryRun: Unsupported value/);
  assert.match(write("fieldValidation=Maybe"), /^422 .*fieldValidation/);
  assert.match(write("force=true"), /^422 .*force: Forbidden/);
  assert.match(write("force=true", true), /^422 .*fieldManager: Required value/);
  assert.match(write(`fieldManager=${"x".repeat(129)}`), /^422 .*fieldManager: Too long/);
  assert.match(
    failure(() => listParameters(new URLSearchParams("limit=x"), "")),
    /^400 .*limit/,
  );
  assert.match(
    failure(() => deleteParameters(new URLSearchParams("propagationPolicy=Slow"), undefined)),
    /^422 /,
  );
  assert.match(
    failure(() => deleteParameters(new URLSearchParams(), { kind: "Pod" })),
    /^400 /,
  );
});

test("delete options of the body win", () => {
  const query = new URLSearchParams("gracePeriodSeconds=5");
  assert.deepEqual(deleteParameters(query, undefined), { gracePeriodSeconds: 5 });
  const body = { kind: "DeleteOptions", propagationPolicy: "Orphan", preconditions: { uid: "u" } };
  assert.deepEqual(deleteParameters(query, body), { propagationPolicy: "Orphan", preconditions: { uid: "u" } });
});

test("doubly given keys are found with their paths", async () => {
  const json = '{"a":{"b":[{"c":1},{"c":1,"d":{"e":"\\"c\\":","e":2},"c":3}]},"x":":","a":1}';
  assert.deepEqual(
    decodeJson(Buffer.from(json)).duplicates,
    ["a.b[1].d.e", "a.b[1].c", "a"].map((path) => `duplicate field "${path}"`),
  );
  assert.deepEqual(decodeJson(Buffer.from('{"a":"\\\\","b":"a"}')).duplicates, []);
  assert.deepEqual(decodeJson(Buffer.from('{"a" :":80","b":"\\":"}')).duplicates, []);
  assert.deepEqual(decodeJson(Buffer.from('{"a" :":80","b":"\\":","a"\n:1}')).duplicates, [`duplicate field "a"`]);
  const yaml = await decodeYaml(Buffer.from("a: 1\nb: {c: 2}\na: 3\n"));
  assert.deepEqual(yaml.duplicates, [`line 3: key "a" already set in map`]);
});

test("any JSON value decodes to itself without duplicates", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.nat(4), (value, indent) => {
      const decoded = decodeJson(Buffer.from(JSON.stringify(value, undefined, indent)));
      assert.equal(JSON.stringify(decoded.value), JSON.stringify(value));
      assert.deepEqual(decoded.duplicates, []);
    }),
  );
});

test("no body crashes the decoders", async () => {
  const isRefused = (error: unknown) => error instanceof StatusError && error.code === 400;
  fc.assert(
    fc.property(fc.string(), (body) => {
      try {
        decodeJson(Buffer.from(body));
      } catch (error) {
        assert.ok(isRefused(error), String(error));
      }
      assert.ok(Array.isArray(parseYaml(body).duplicates));
    }),
  );
  for (const body of ["[".repeat(100_000), '{"a":'.repeat(5000), "a: &a [*a, *a]", "- ".repeat(2000)]) {
    assert.throws(() => decodeJson(Buffer.from(body)), isRefused);
    await assert.rejects(decodeYaml(Buffer.from(body)), isRefused);
  }
  assert.throws(() => decodeJson(Buffer.from("[".repeat(2000) + "]".repeat(2000))), isRefused);
});

test("a body is read to its end, its bound or the end of its connection", async () => {
  const whole = async (stream: Readable, length?: string) => new RequestBody(sourceOf(stream), length).whole();
  const of = (...chunks: Buffer[]) => Readable.from(chunks);
  assert.equal((await whole(of())).length, 0);
  assert.equal((await whole(of(Buffer.from("a"), Buffer.from("bc"), Buffer.from("d")))).toString(), "abcd");
  const isTooLarge = (error: unknown) => error instanceof StatusError && error.code === 413;
  await assert.rejects(whole(of(Buffer.alloc(2 << 20), Buffer.alloc(2 << 20))), isTooLarge);
  await assert.rejects(whole(of(), String(4 << 20)), isTooLarge);
  const broken = new Readable({ read() {} });
  const reading = whole(broken);
  broken.push("a");
  broken.destroy();
  await assert.rejects(reading, /could not be read/);
  await assert.rejects(whole(broken), /could not be read/);
});

test("texts of many senders are parsed one by one, also after one that was refused", async () => {
  const decode = (text: string) => decodeYaml(Buffer.from(text)).then(({ value }) => value);
  const [one, bomb, two] = await Promise.allSettled([
    decode("a: 1"),
    decode(`${Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${`*a${i - 1}, `.repeat(i && 9)}x]`).join("\n")}`),
    decode("b: 2"),
  ]);
  assert.deepEqual(
    [one, two],
    [
      { status: "fulfilled", value: { a: 1 } },
      { status: "fulfilled", value: { b: 2 } },
    ],
  );
  assert.equal(bomb.status, "rejected");
});

test("the first representation that can be had is taken", () => {
  const table = "application/json;as=Table;v=v1;g=meta.k8s.io";
  assert.deepEqual(negotiate(undefined), { as: "object" });
  assert.deepEqual(negotiate(`${table},application/json`), { as: "Table", version: "v1" });
  assert.deepEqual(negotiate("application/json;as=Table;v=v2;g=meta.k8s.io,application/json"), { as: "object" });
  assert.deepEqual(negotiate("application/vnd.kubernetes.protobuf, */*"), { as: "object" });
  assert.deepEqual(negotiate(`application/json;q=0.1,${table}`), { as: "Table", version: "v1" });
  assert.match(
    failure(() => negotiate("application/xml")),
    /^406 /,
  );
});

test("versions are ordered from stable to alpha", () => {
  const versions = ["v1alpha1", "v1", "foo", "v2beta1", "v10", "v1beta2", "v2"];
  assert.deepEqual(versions.toSorted(compareVersions), ["v10", "v2", "v1", "v2beta1", "v1beta2", "v1alpha1", "foo"]);
});
