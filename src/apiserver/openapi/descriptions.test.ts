// Descriptions from doc comments: how they are read, and what documents say with and without them.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { testRouter } from "../http/testing.ts";
import { closureOf, v2 } from "./definitions.ts";
import { descriptionSource, fieldDescription, fileNames, parseDeclaration, readDescriptions } from "./descriptions.ts";

const declaration = `/**
 * About the file.
 */
import { V1Other } from '../models/V1Other.js';
/**
* A thing that says \\"hello\\" to apps/*_/scale.
*/
export declare class V1Thing {
    /**
    * Where it\\'s kept.
    */
    'place'?: string;
    'silent'?: V1Other;
    /**
    * What it
    *  refers to.
    */
    '_continue': string;
    /**
    * An extension.
    */
    'x_kubernetes_map_type'?: string;
    static getAttributeTypeMap(): {
        name: string;
    }[];
}
`;

test("doc comments are read as plain text", () => {
  const parsed = parseDeclaration(declaration);
  assert.equal(parsed.type, 'A thing that says "hello" to apps/*/scale.');
  assert.equal(fieldDescription(parsed, "place"), "Where it's kept.");
  assert.equal(fieldDescription(parsed, "silent"), undefined);
  assert.equal(fieldDescription(parsed, "continue"), "What it\n refers to.");
  assert.equal(fieldDescription(parsed, "x-kubernetes-map-type"), "An extension.");
});

test("names of several groups are told apart", () => {
  assert.deepEqual(fileNames("events.v1.Event"), ["EventsV1Event.d.ts", "V1Event.d.ts"]);
  assert.deepEqual(fileNames("meta.v1.ObjectMeta"), ["MetaV1ObjectMeta.d.ts", "V1ObjectMeta.d.ts"]);
});

test("types are described from files; the rest keeps words made of its name", async () => {
  const directory = mkdtempSync(join(tmpdir(), "knarr-descriptions-"));
  const thing =
    "/**\n* Settings.\n*/\nexport declare class V1ConfigMap {\n    /**\n    * Pairs.\n    */\n    'data'?: {\n";
  writeFileSync(join(directory, "V1ConfigMap.d.ts"), thing);
  const descriptions = await readDescriptions(
    ["core.v1.ConfigMap", "core.v1.Pod"],
    pathToFileURL(`${directory}/`).href,
  );
  rmSync(directory, { recursive: true });
  assert.deepEqual([...descriptions.keys()], ["core.v1.ConfigMap"]);
  const definitions = await closureOf(["core.v1.ConfigMap"], v2, descriptions);
  const schema = definitions["io.k8s.api.core.v1.ConfigMap"] as any;
  assert.equal(schema.description, "Settings.");
  assert.equal(schema.properties.data.description, "Pairs.");
  assert.equal(schema.properties.binaryData.description, "Binary data.");
});

test("a package that is not installed is no error", () => {
  assert.equal(descriptionSource("@kubernetes/no-such-package"), undefined);
});

test("the installed package describes what kubectl explains", { skip: !descriptionSource() }, async () => {
  const { ask } = await testRouter();
  const document = (await ask("GET", "/openapi/v3/api/v1")).json();
  const pod = document.components.schemas["io.k8s.api.core.v1.PodSpec"];
  assert.ok(pod.description.split(" ").length > 3, pod.description);
  assert.ok(pod.properties.containers.description.split(" ").length > 5, pod.properties.containers.description);
});
