import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { StatusError } from "../../machinery/errors.ts";
import { decodeProtobuf } from "./decode.ts";

const schemas: Record<string, string> = { "v1 Pod": "core.v1.Pod", "apps/v1 Deployment": "apps.v1.Deployment" };
const schemaOf = (apiVersion: string, kind: string) => schemas[`${apiVersion} ${kind}`];

const field = (number: number, ...content: (Buffer | string)[]): Buffer => {
  const bytes = Buffer.concat(content.map((part) => Buffer.from(part as string)));
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length % 128) | 0x80, bytes.length >> 7];
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), bytes]);
};
const number = (at: number, value: number): Buffer => Buffer.from([at * 8, value]);
const envelope = (apiVersion: string, kind: string, ...raw: Buffer[]): Buffer =>
  Buffer.concat([Buffer.from("k8s\0"), field(1, field(1, apiVersion), field(2, kind)), field(2, ...raw)]);

test("a pod in protobuf becomes the pod in JSON", () => {
  const resources = field(8, field(1, field(1, "cpu"), field(2, field(1, "100m"))));
  const probe = field(10, field(1, field(2, field(1, "/ok"), field(2, number(1, 0), number(2, 80)))), number(4, 0));
  const container = field(2, field(1, "c"), field(2, "image"), field(4, "-v"), resources, probe);
  const volume = field(1, field(1, "v"), field(2, field(2)));
  const metadata = field(1, field(1, "p"), field(3, ""), field(8), field(11, field(1, "a"), field(2, "b")));
  const bytes = envelope("v1", "Pod", metadata, field(2, volume, container, number(4, 0), number(11, 0), field(9, "")));
  assert.deepEqual(decodeProtobuf(bytes, schemaOf), {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", labels: { a: "b" } },
    spec: {
      // Inlined messages lie in their parent; zeros stay only where they were pointers.
      volumes: [{ name: "v", emptyDir: {} }],
      containers: [
        {
          name: "c",
          image: "image",
          args: ["-v"],
          resources: { limits: { cpu: "100m" } },
          livenessProbe: { httpGet: { path: "/ok", port: 80 } },
        },
      ],
      terminationGracePeriodSeconds: 0,
    },
  });
});

test("an explicit zero of replicas is kept", () => {
  const bytes = envelope("apps/v1", "Deployment", field(2, number(1, 0), number(7, 0)));
  assert.deepEqual(decodeProtobuf(bytes, schemaOf), {
    apiVersion: "apps/v1",
    kind: "Deployment",
    spec: { replicas: 0 },
  });
});

test("other bytes are refused, whatever they are", () => {
  const refused = (bytes: Buffer) => {
    try {
      decodeProtobuf(bytes, schemaOf);
    } catch (error) {
      assert.ok(error instanceof StatusError && error.code === 400, String(error));
    }
  };
  assert.throws(() => decodeProtobuf(Buffer.from("{}"), schemaOf), StatusError);
  assert.throws(() => decodeProtobuf(envelope("v1", "Unknown"), schemaOf), StatusError);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => refused(envelope("v1", "Pod", Buffer.from(noise)))),
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (noise) => refused(Buffer.concat([Buffer.from("k8s\0"), noise]))),
  );
});
