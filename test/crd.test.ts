// Custom resources as users meet them: real kubectl against store, API and HTTP in this process, a conversion webhook beside it.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { findCommand } from "../src/host/packages.ts";
import { selfSigned } from "./certificates.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { kubectlWith, oldKubectl } from "./harness.ts";

const kubectl = findCommand("kubectl") ?? (await oldKubectl());

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    selectableFields: [{jsonPath: .spec.image}]
    schema:
      openAPIV3Schema:
        type: object
        description: A job that runs by the clock.
        properties:
          spec:
            type: object
            required: [cronSpec]
            x-kubernetes-validations:
            - {rule: "self.replicas <= self.limit", message: replicas above limit}
            properties:
              cronSpec: {type: string, description: When it runs., pattern: '^[0-9*/ ]+$'}
              image: {type: string}
              replicas: {type: integer, minimum: 0, default: 1}
              limit: {type: integer, default: 5}
          status:
            type: object
            properties: {replicas: {type: integer}, selector: {type: string}}
`;

const cronTab = (name: string, spec: string) =>
  `apiVersion: stable.example.com/v1\nkind: CronTab\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;

describe("custom resources", () => {
  let server: ControlPlane;
  let run: ReturnType<typeof kubectlWith>;
  let webhook: Server | undefined;

  before(async () => {
    server = await startControlPlane();
    run = kubectlWith(kubectl, server.kubeconfig);
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    webhook?.close();
    webhook?.closeAllConnections();
  });

  test("a definition is established and explained with its own words", async () => {
    await run(["apply", "-f", "-"], definition);
    await run(["wait", "--for=condition=Established", "--timeout=5s", "crd/crontabs.stable.example.com"]);
    assert.match(
      (await run(["api-resources", "--api-group=stable.example.com"])).out,
      /crontabs +ct +stable.example.com\/v1 +true +CronTab/,
    );
    const explained = (await run(["explain", "crontab.spec"])).out;
    assert.match(explained, /cronSpec\s+<string> -required-\s+When it runs\./);
    assert.match((await run(["explain", "ct"])).out, /A job that runs by the clock\./);
  });

  test("objects are created, listed in their columns, selected, scaled and edited", async () => {
    assert.match((await run(["apply", "-f", "-"], cronTab("one", 'cronSpec: "* * * * *", image: a'))).out, /created/);
    assert.match((await run(["apply", "-f", "-"], cronTab("one", 'cronSpec: "* * * * *", image: a'))).out, /unchanged/);
    assert.match(
      (await run(["apply", "-f", "-"], cronTab("one", 'cronSpec: "* * * * 1", image: a'))).out,
      /configured/,
    );
    await run(["apply", "-f", "-"], cronTab("two", 'cronSpec: "* * * * *", image: b'));
    const listed = (await run(["get", "ct"])).out;
    assert.match(listed, /^NAME +SPEC +REPLICAS\none +\* \* \* \* 1 +1\ntwo/);
    assert.match((await run(["get", "all"])).out, /crontab.stable.example.com\/one/);
    assert.equal(
      (await run(["get", "ct", "--field-selector=spec.image=b", "-o", "name"])).out.trim(),
      "crontab.stable.example.com/two",
    );
    await run(["scale", "ct/one", "--replicas=3"]);
    assert.equal((await run(["get", "ct", "one", "-o", "jsonpath={.spec.replicas}"])).out, "3");
    await run(["patch", "ct", "one", "--type=merge", "-p", '{"spec":{"image":"c"}}']);
    await run(["apply", "--server-side", "--field-manager=x", "-f", "-"], cronTab("three", 'cronSpec: "1 * * * *"'));
    await server.admin.request("PATCH", "/apis/stable.example.com/v1/namespaces/default/crontabs/one/status", {
      headers: { "content-type": "application/merge-patch+json" },
      body: '{"status":{"replicas":2}}',
    });
    assert.equal((await run(["get", "ct", "one", "-o", "jsonpath={.status.replicas}"])).out, "2");
    assert.match((await run(["describe", "ct", "one"])).out, /Cron Spec: +\* \* \* \* 1/);
  });

  test("what the schema or a rule forbids is refused", async () => {
    const bad = (spec: string) => run(["apply", "-f", "-"], cronTab("bad", spec), 1).then(({ error }) => error);
    assert.match(await bad('cronSpec: "never"'), /spec\.cronSpec in body should match/);
    assert.match(await bad("image: x"), /spec\.cronSpec: Required value|missing required field "cronSpec"/);
    assert.match(await bad('cronSpec: "* *", replicas: 9'), /spec: Invalid value: "object": replicas above limit/);
    assert.match(await bad('cronSpec: "* *", colour: red'), /unknown field "(spec\.)?colour"/);
  });

  test("a webhook converts between versions, in answers, in what is stored and in lists of objects stored as either", async () => {
    const { certPem, keyPem } = await selfSigned("localhost");
    webhook = createServer({ cert: certPem, key: keyPem }, (request, response) => {
      void json(request).then((body) => response.end(JSON.stringify(converted(body as Review))));
    });
    await once(webhook.listen(0, "127.0.0.1"), "listening");
    const { port } = webhook.address() as AddressInfo;
    const schema = (field: string) => ({
      openAPIV3Schema: {
        type: "object",
        properties: { spec: { type: "object", properties: { [field]: { type: "string" } } } },
      },
    });
    const convertible = {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "boats.stable.example.com" },
      spec: {
        group: "stable.example.com",
        scope: "Namespaced",
        names: { plural: "boats", kind: "Boat" },
        conversion: {
          strategy: "Webhook",
          webhook: {
            conversionReviewVersions: ["v1"],
            clientConfig: {
              url: `https://localhost:${port}/convert`,
              caBundle: Buffer.from(certPem).toString("base64"),
            },
          },
        },
        versions: [
          { name: "v1", served: true, storage: true, schema: schema("port") },
          { name: "v2", served: true, storage: false, schema: schema("harbour") },
        ],
      },
    };
    await run(["apply", "-f", "-"], JSON.stringify(convertible));
    const boat = { apiVersion: "stable.example.com/v2", kind: "Boat", metadata: { name: "b" }, spec: { harbour: "x" } };
    await run(["apply", "-f", "-"], JSON.stringify(boat));
    const specOf = async (version: string) =>
      (await run(["get", `boats.${version}.stable.example.com`, "b", "-o", "jsonpath={.spec}"])).out;
    assert.equal(await specOf("v2"), '{"harbour":"x"}');
    assert.equal(await specOf("v1"), '{"port":"x"}');
    await run(["patch", "boats.v2.stable.example.com", "b", "--type=merge", "-p", '{"spec":{"harbour":"y"}}']);
    assert.equal(await specOf("v1"), '{"port":"y"}');
    assert.match((await run(["get", "boats.v2.stable.example.com", "-o", "yaml"])).out, /harbour: "y"/);

    const storage = [false, true].map((value, i) => ({ op: "replace", path: `/spec/versions/${i}/storage`, value }));
    await run(["patch", "crd", "boats.stable.example.com", "--type=json", "-p", JSON.stringify(storage)]);
    await run(["apply", "-f", "-"], JSON.stringify({ ...boat, metadata: { name: "c" }, spec: { harbour: "z" } }));
    for (const [version, field] of [
      ["v1", "port"],
      ["v2", "harbour"],
    ]) {
      const all = await run(["get", `boats.${version}.stable.example.com`, "-o", "jsonpath={.items[*].spec}"]);
      assert.equal(all.out, `{"${field}":"y"} {"${field}":"z"}`);
    }
  });

  test("deleting a definition takes everything with it", async () => {
    await run(["delete", "crd", "crontabs.stable.example.com"]);
    assert.match(
      (await run(["get", "crontabs"], undefined, 1)).error,
      /could not find the requested resource|doesn't have a resource type/,
    );
    await run(["apply", "-f", "-"], definition);
    assert.match((await run(["get", "crontabs"])).error, /No resources found/);
  });
});

interface Boat {
  readonly apiVersion: string;
  readonly spec: { readonly port?: string; readonly harbour?: string };
}

interface Review {
  readonly request: { readonly uid: string; readonly desiredAPIVersion: string; readonly objects: readonly Boat[] };
}

/** The field is called port in v1 and harbour in v2. */
function converted({ request: { uid, desiredAPIVersion, objects } }: Review): object {
  const field = desiredAPIVersion.endsWith("v1") ? "port" : "harbour";
  const convertedObjects = objects.map((boat) => ({
    ...boat,
    apiVersion: desiredAPIVersion,
    spec: { [field]: boat.spec.port ?? boat.spec.harbour },
  }));
  const response = { uid, convertedObjects, result: { status: "Success" } };
  return { kind: "ConversionReview", apiVersion: "apiextensions.k8s.io/v1", response };
}
