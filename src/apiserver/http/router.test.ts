// Requests through the whole edge, without a socket.
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { edgeRequest, testRouter } from "./testing.ts";
import { upgraded } from "./exchange.ts";

const json = { "content-type": "application/json" };
const configMap = (name: string, extra = "") => `{"metadata":{"name":"${name}"${extra}},"data":{"a":"b"}}`;
const collection = "/api/v1/namespaces/default/configmaps";

test("objects are created, read, replaced, patched and deleted", async () => {
  const { ask } = await testRouter();
  const created = await ask("POST", collection, { headers: json, body: configMap("c") });
  assert.equal(created.status, 201);
  const read = await ask("GET", `${collection}/c`);
  assert.equal(read.status, 200);
  assert.equal(read.json().kind, "ConfigMap");
  const replaced = await ask("PUT", `${collection}/c`, { headers: json, body: configMap("c", ',"labels":{"x":"y"}') });
  assert.equal(replaced.status, 200);
  const headers = { "content-type": "application/merge-patch+json" };
  const patched = await ask("PATCH", `${collection}/c`, { headers, body: '{"data":{"a":null,"z":"1"}}' });
  assert.deepEqual(patched.json().data, { z: "1" });
  const deleted = await ask("DELETE", `${collection}/c`);
  assert.equal(deleted.json().status, "Success");
  assert.equal(deleted.json().details.uid, created.json().metadata.uid);
  const gone = await ask("GET", `${collection}/c`);
  assert.deepEqual([gone.status, gone.json().reason], [404, "NotFound"]);
});

test("a list is the stored bytes one after the other", async () => {
  const { ask } = await testRouter();
  for (const name of ["a", "b"]) await ask("POST", collection, { headers: json, body: configMap(name) });
  const list = (await ask("GET", `${collection}?limit=2`)).json();
  assert.equal(list.kind, "ConfigMapList");
  assert.deepEqual(
    list.items.map((item: any) => item.metadata.name),
    ["a", "b"],
  );
  assert.ok(list.metadata.continue);
  const rest = (await ask("GET", `${collection}?limit=2&continue=${list.metadata.continue}`)).json();
  assert.deepEqual(
    rest.items.map((item: any) => item.metadata.name),
    ["kube-root-ca.crt"],
  );
});

test("tables and metadata are served to those who ask for them", async () => {
  const { ask } = await testRouter();
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const table = (await ask("GET", "/api/v1/namespaces", { headers: { accept } })).json();
  assert.equal(table.kind, "Table");
  assert.equal(table.columnDefinitions[0].name, "Name");
  assert.equal(table.rows[0].object.kind, "PartialObjectMetadata");
  const partial = { accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io" };
  const metadata = (await ask("GET", "/api/v1/namespaces", { headers: partial })).json();
  assert.equal(metadata.kind, "PartialObjectMetadataList");
  assert.equal(metadata.items[0].spec, undefined);
});

test("a watch starts where the list ended and carries frames, and ends when its time is up", async () => {
  const { ask } = await testRouter();
  const { resourceVersion } = (await ask("GET", collection)).json().metadata;
  await ask("POST", collection, { headers: json, body: configMap("w") });
  await ask("DELETE", `${collection}/w`);
  const watched = await ask("GET", `${collection}?watch=1&resourceVersion=${resourceVersion}&timeoutSeconds=1`);
  const events = watched.text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    events.map(({ type }) => type),
    ["ADDED", "DELETED"],
  );
  assert.equal(events[0].object.metadata.name, "w");
});

test("streaming lists end with a bookmark that says so", async () => {
  const { ask } = await testRouter();
  const query =
    "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
  const watched = await ask("GET", `${collection}?${query}`);
  const last = JSON.parse(watched.text.trim().split("\n").at(-1)!);
  assert.equal(last.type, "BOOKMARK");
  assert.equal(last.object.metadata.annotations["k8s.io/initial-events-end"], "true");
});

test("doubly given fields are warned of, and refused under strict validation", async () => {
  const { ask } = await testRouter();
  const body = '{"metadata":{"name":"d","name":"d"}}';
  const warned = await ask("POST", collection, { headers: json, body });
  assert.deepEqual(warned.headers.warning, ['299 - "duplicate field \\"metadata.name\\""']);
  const refused = await ask("POST", `${collection}?fieldValidation=Strict`, { headers: json, body });
  assert.equal(refused.status, 400);
  assert.match(refused.json().message, /strict decoding error: duplicate field "metadata\.name"/);
});

test("wrong media types, sizes and shapes have their own codes", async () => {
  const { ask } = await testRouter();
  const post = async (body: string, type = "application/json") =>
    (await ask("POST", collection, { headers: { "content-type": type }, body })).status;
  assert.equal(await post("<xml/>", "application/xml"), 415);
  assert.equal(await post("{"), 400);
  assert.equal(await post("[]"), 400);
  assert.equal(await post('{"kind":"Secret"}'), 400);
  assert.equal(await post(JSON.stringify({ data: { a: "x".repeat(4 * 1024 * 1024) } })), 413);
  assert.equal((await ask("PATCH", `${collection}/x`, { headers: json, body: "{}" })).status, 415);
  assert.equal((await ask("GET", "/api/v1/namespaces", { headers: { accept: "text/html" } })).status, 406);
});

test("strangers get 401 except where health is asked", async () => {
  const { ask } = await testRouter();
  const status = async (path: string, headers = {}) => (await ask("GET", path, { peer: null, headers })).status;
  assert.equal(await status("/api/v1/pods"), 401);
  assert.equal(await status("/api/v1/pods", { authorization: "Bearer nonsense" }), 401);
  assert.equal(await status("/metrics"), 401);
  for (const path of ["/readyz", "/livez", "/healthz?verbose", "/version"]) assert.equal(await status(path), 200, path);
  for (const path of ["/livez/ping", "/livez/../api", "//livez", "/livezz", "/version/x", "/debug/pprof"])
    assert.equal(await status(path), 401, path);
});

test("answers are nobody's to keep, but for documents that are the same for all", async () => {
  const { ask } = await testRouter();
  for (const path of ["/api/v1/namespaces", "/api/v1/namespaces/default/secrets/none", "/version", "/nowhere"])
    assert.equal((await ask("GET", path)).headers["cache-control"], "no-cache, private", path);
  assert.match(String((await ask("GET", "/openid/v1/jwks")).headers["cache-control"]), /^public/);
});

test("what is not allowed is forbidden in upstream's words, unknown or not", async () => {
  const { ask } = await testRouter();
  const peer = { commonName: "jane", organizations: [] };
  const denied = await ask("GET", "/api/v1/namespaces/default/pods/p/log", { peer });
  assert.equal(denied.status, 403);
  assert.match(
    denied.json().message,
    /pods "p" is forbidden: User "jane" cannot get resource "pods\/log" in API group "" in the namespace "default"/,
  );
  assert.equal((await ask("GET", "/apis/nothing.example/v1/things", { peer })).status, 403);
  assert.match(
    (await ask("GET", "/metrics", { peer })).json().message,
    /forbidden: User "jane" cannot get path "\/metrics"/,
  );
});

test("an administrator may act as somebody else, somebody else may not", async () => {
  const { ask } = await testRouter();
  const url = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
  const headers = { ...json, "impersonate-user": "jane", "impersonate-group": "devs" };
  const review = await ask("POST", url, { headers, body: "{}" });
  assert.equal(review.json().status.userInfo.username, "jane");
  assert.deepEqual(review.json().status.userInfo.groups, ["devs", "system:authenticated"]);
  const peer = { commonName: "joe", organizations: [] };
  const refused = await ask("GET", "/api/v1/pods", { peer, headers: { "impersonate-user": "jane" } });
  assert.match(refused.json().message, /users "jane" is forbidden: User "joe" cannot impersonate resource "users"/);
});

test("unknown paths and resources are told apart", async () => {
  const { ask } = await testRouter();
  const nowhere = await ask("GET", "/nowhere");
  assert.deepEqual([nowhere.status, nowhere.text], [404, "404 page not found\n"]);
  assert.equal((await ask("GET", "/apis/nothing.example/v1/things")).text, "404 page not found\n");
  const unknown = await ask("GET", "/apis/apps/v1/things");
  assert.equal(unknown.json().message, "the server could not find the requested resource");
});

test("aggregated discovery answers 304 to those who have it", async () => {
  const { ask } = await testRouter();
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
  const first = await ask("GET", "/apis", { headers: { accept } });
  assert.equal(first.json().kind, "APIGroupDiscoveryList");
  const apps = first.json().items.find((item: any) => item.metadata.name === "apps");
  assert.ok(
    apps.versions[0].resources.some((one: any) => one.resource === "deployments" && one.subresources.length === 2),
  );
  const again = await ask("GET", "/apis", { headers: { accept, "if-none-match": String(first.headers.etag) } });
  assert.equal(again.status, 304);
  assert.equal((await ask("GET", "/apis")).json().kind, "APIGroupList");
});

test("every reference in the OpenAPI documents leads somewhere", async () => {
  const { ask } = await testRouter();
  const check = (document: any, prefix: string, known: object) => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g);
    for (const [, reference = ""] of references) assert.ok(reference.slice(prefix.length) in known, reference);
  };
  const whole = (await ask("GET", "/openapi/v2")).json();
  check(whole, "#/definitions/", whole.definitions);
  const index = (await ask("GET", "/openapi/v3")).json();
  for (const { serverRelativeURL } of Object.values(index.paths as Record<string, { serverRelativeURL: string }>)) {
    const document = (await ask("GET", serverRelativeURL)).json();
    check(document, "#/components/schemas/", document.components.schemas);
  }
});

test("every operation has a name of its own in OpenAPI, those of subresources too", async () => {
  const { ask } = await testRouter();
  const { paths } = (await ask("GET", "/openapi/v2")).json();
  const operations = Object.values<Record<string, { operationId?: string }>>(paths).flatMap((item) =>
    Object.values(item).flatMap(({ operationId }) => operationId ?? []),
  );
  assert.equal(new Set(operations).size, operations.length);
  const { post } = paths["/api/v1/namespaces/{namespace}/pods/{name}/eviction"];
  assert.deepEqual(post["x-kubernetes-group-version-kind"], { group: "policy", version: "v1", kind: "Eviction" });
  assert.deepEqual(Object.keys(paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]), [
    "get",
    "put",
    "patch",
    "parameters",
  ]);
});

test("metrics count requests under upstream's names", async () => {
  const { ask } = await testRouter();
  await ask("GET", "/api/v1/namespaces");
  const { text } = await ask("GET", "/metrics");
  assert.match(
    text,
    /apiserver_request_total\{verb="LIST",group="",version="v1",resource="namespaces",subresource="",code="200"\} 1/,
  );
  assert.match(text, /process_resident_memory_bytes \d+/);
});

test("clients cannot make up series of metrics", async () => {
  const { ask } = await testRouter();
  const namespaces = "/api/v1/namespaces";
  await ask("GET", `${namespaces}/default/status`);
  await ask("BREW", namespaces);
  await ask("GET", `${namespaces}/default/pods/p/invented`);
  await ask("GET", "/apis/invented/v1/things");
  const { text } = await ask("GET", "/metrics");
  assert.match(text, /^apiserver_request_total\{verb="GET",.*resource="namespaces",subresource="status",/m);
  assert.match(text, /^apiserver_request_total\{verb="OTHER",.*subresource="",/m);
  assert.doesNotMatch(text, /BREW|invented/);
});

test("whatever is asked is answered with a code, and never with our own fault", async () => {
  const { router } = await testRouter();
  const segment = fc.constantFrom(
    "api",
    "apis",
    "v1",
    "apps",
    "namespaces",
    "default",
    "pods",
    "p",
    "log",
    "exec",
    "proxy",
    "status",
    "scale",
    "watch",
    "%zz",
    "",
    "..",
    "http:p:99999",
  );
  const query = fc.dictionary(
    fc.constantFrom(
      "watch",
      "limit",
      "continue",
      "resourceVersion",
      "labelSelector",
      "fieldSelector",
      "timeoutSeconds",
      "pretty",
      "dryRun",
      "tailLines",
    ),
    fc.constantFrom("true", "1", "-1", "x", "", "a in (b", "metadata.name=x", "All"),
  );
  const method = fc.constantFrom("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS");
  const body = fc.oneof(
    fc.constant(undefined),
    fc.json(),
    fc.constantFrom("{}", "null", '{"metadata":null}', '{"spec":[]}', '{"metadata":{"name":7}}'),
  );
  const type = fc.constantFrom(
    "application/json",
    "application/yaml",
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
  );
  await fc.assert(
    fc.asyncProperty(
      method,
      fc.array(segment, { maxLength: 9 }),
      query,
      body,
      type,
      async (verb, path, parameters, content, contentType) => {
        const target = `/${path.join("/")}?${new URLSearchParams(parameters as Record<string, string>).toString()}`;
        const request = {
          headers: { "content-type": contentType },
          ...(content === undefined ? {} : { body: content }),
        };
        const outcome = await router(edgeRequest(verb, target, request));
        assert.ok(outcome !== upgraded);
        assert.ok(
          outcome.status < 500 || outcome.status === 503 || outcome.status === 504,
          `${verb} ${target} ${content}: ${JSON.stringify(outcome.body?.toString())}`,
        );
      },
    ),
    { numRuns: 1500 },
  );
});
