// Every decoder that eats what clients send, fed with noise: it answers or refuses in its own way, quickly, and nothing else.
import assert from "node:assert/strict";
import { IncomingMessage } from "node:http";
import { Socket } from "node:net";
import { duplexPair } from "node:stream";
import { describe, test } from "node:test";
import fc from "fast-check";
import { decodeBody } from "../src/apiserver/http/body.ts";
import { parseYaml } from "../src/apiserver/http/yaml-worker.ts";
import type { Upgrade } from "../src/apiserver/http/exchange.ts";
import { encodeProtobuf } from "../src/apiserver/protobuf/encode.ts";
import { acceptWebSocket, receive } from "../src/apiserver/streaming/websocket.ts";
import { patchSchemaOf } from "../src/kinds/patch-schema.ts";
import { BudgetError } from "../src/machinery/cel/budget.ts";
import { compile, newEnvironment } from "../src/machinery/cel/program.ts";
import { parseCron } from "../src/machinery/cron.ts";
import { StatusError } from "../src/machinery/errors.ts";
import { dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors } from "../src/machinery/names.ts";
import { applyJsonPatch } from "../src/machinery/patch/json-patch.ts";
import { applyStrategicPatch } from "../src/machinery/patch/strategic.ts";
import { canonicalQuantity, compareQuantities, parseQuantity } from "../src/machinery/quantity.ts";
import { formatSelector, parseFieldSelector, parseSelector, selectorMatches } from "../src/machinery/selector.ts";

/** Each property stops after this, however few runs that were; a failure before counts. */
const bounded = { numRuns: 3000, interruptAfterTimeLimit: 3000, markInterruptAsFailure: false };

/** Text made of what a language is made of, so that noise gets past the first character; some of it anything at all. */
const wordsOf = (...words: string[]) =>
  fc.oneof(
    fc
      .array(fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 3 })), { maxLength: 12 })
      .map((parts) => parts.join("")),
    fc.string(),
  );

const isRefusal = (error: unknown) => error instanceof StatusError && error.code >= 400 && error.code < 500;

/** The value, or undefined when it was refused; anything else fails the test. */
function valueOf<T>(decode: () => T, refused: (error: unknown) => boolean): T | undefined {
  try {
    return decode();
  } catch (error) {
    assert.ok(refused(error), `${(error as Error).stack}`);
    return undefined;
  }
}

describe("noise", () => {
  test("label selectors: what parses is printed and parsed again to the same", () => {
    const noise = wordsOf("a", "b.c/d", "=", "==", "!=", "!", " in ", " notin ", "(", ")", ",", ">", "<", "5", " ");
    const property = fc.property(noise, (text) => {
      const selector = valueOf(() => parseSelector(text), isRefusal);
      if (!selector) return;
      assert.equal(typeof selectorMatches(selector, { a: "b" }), "boolean");
      const printed = formatSelector(selector);
      assert.equal(formatSelector(parseSelector(printed)), printed);
    });
    fc.assert(property, bounded);
  });

  test("field selectors", () => {
    const noise = wordsOf("metadata.name", "=", "==", "!=", ",", "\\", "a", " ");
    fc.assert(
      fc.property(noise, (text) => void valueOf(() => parseFieldSelector(text), isRefusal)),
      bounded,
    );
  });

  test("quantities: what parses has a canonical form that compares equal", () => {
    const noise = wordsOf("1", "0", "9".repeat(30), ".", "-", "+", "e", "E", "Ki", "Mi", "Ei", "m", "n", "k", "G");
    const property = fc.property(noise, (text) => {
      const parsed = valueOf(
        () => parseQuantity(text),
        (error) => error instanceof Error,
      );
      if (!parsed) return;
      const canonical = canonicalQuantity(text);
      assert.equal(canonicalQuantity(canonical), canonical);
      assert.equal(compareQuantities(canonical, text), 0);
    });
    fc.assert(property, bounded);
  });

  test("cron schedules", () => {
    const noise = wordsOf("*", "/", "-", ",", "5", "60", " ", "@", "hourly", "MON", "TZ=", "@every ", "1h");
    fc.assert(
      fc.property(
        noise,
        (text) =>
          void valueOf(
            () => parseCron(text),
            (error) => error instanceof Error,
          ),
      ),
      bounded,
    );
  });

  test("CEL: expressions compile and run within their budget, or say why not", () => {
    const noise = wordsOf(
      "self",
      ".",
      "a",
      "(",
      ")",
      "[",
      "]",
      "1",
      "'x'",
      "+",
      " == ",
      " ? ",
      " : ",
      " && ",
      "!",
      "{",
      "}",
      "[1, 2].map(x, ",
      ".all(y, ",
      ".size()",
      "dyn(",
      ".matches('",
      "has(self.a)",
      "-",
      "/",
      "0",
      "1.5",
      "null",
      " in ",
    );
    const property = fc.property(noise, fc.jsonValue({ maxDepth: 2 }), (expression, self) => {
      const environment = newEnvironment().registerVariable("self", "dyn");
      const program = valueOf(
        () => compile(environment, expression),
        (error) => error instanceof Error,
      );
      if (program)
        valueOf(
          () => program.run({ self }, 10_000),
          (error) => error instanceof Error,
        );
    });
    fc.assert(property, bounded);
    const deep = `${"(".repeat(20_000)}1${")".repeat(20_000)}`;
    assert.throws(() => compile(newEnvironment(), deep));
    const list = `[${Array.from({ length: 200 }, (_, index) => index).join(", ")}]`;
    const loops = compile(newEnvironment(), `${list}.all(a, ${list}.all(b, ${list}.all(c, a + b + c >= 0)))`);
    assert.throws(() => loops.run({}), BudgetError);
  });

  const decoded = async (...given: Parameters<typeof decodeBody>) => decodeBody(...given);

  test("JSON and protobuf bodies", async () => {
    const text = wordsOf("{", "}", "[", "]", '"a"', ":", ",", "1", "null", "k8s\0", "\n\u0002v1\u0012\u0003Pod");
    const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 100 })).map((body) => Buffer.from(body as string));
    const types = fc.constantFrom("application/json", "application/vnd.kubernetes.protobuf");
    const property = fc.asyncProperty(bytes, types, async (body, type) => {
      const schemaOf = (_version: string, kind: string) => (kind === "Pod" ? "core.v1.Pod" : undefined);
      await decoded(body, type, schemaOf).catch((error: unknown) =>
        assert.ok(isRefusal(error), `${(error as Error).stack}`),
      );
    });
    await fc.assert(property, bounded);
  });

  test("protobuf bodies with some bytes changed", async () => {
    const metadata = { name: "p", labels: { a: "b" }, creationTimestamp: "2026-01-01T00:00:00Z" };
    const resources = { limits: { cpu: "1" } };
    const spec = { containers: [{ name: "c", image: "i", ports: [{ containerPort: 80 }], resources }] };
    const pod = encodeProtobuf("core.v1.Pod", { apiVersion: "v1", kind: "Pod", metadata, spec } as never);
    const schemaOf = (_version: string, kind: string) => (kind === "Pod" ? "core.v1.Pod" : undefined);
    const change = fc.tuple(fc.nat(pod.length - 1), fc.nat(255));
    const property = fc.asyncProperty(
      fc.array(change, { maxLength: 4 }),
      fc.nat(pod.length),
      async (changes, length) => {
        const body = Buffer.from(pod.subarray(0, changes.length === 0 ? length : pod.length));
        for (const [at, byte] of changes) body[at] = byte;
        await decoded(body, "application/vnd.kubernetes.protobuf", schemaOf).catch((error: unknown) =>
          assert.ok(isRefusal(error), `${(error as Error).stack}`),
        );
      },
    );
    await fc.assert(property, bounded);
  });

  test("YAML bodies", () => {
    const noise = wordsOf(
      "{",
      "}",
      "[",
      "]",
      '"a"',
      ": ",
      ",",
      "1",
      "~",
      "\n",
      "- ",
      "a:",
      "&x ",
      "*x",
      "!!map ",
      "|\n",
      "<<",
    );
    const property = fc.property(noise, (text) => {
      const { value, error } = parseYaml(text);
      assert.ok(error === undefined ? value === undefined || JSON.stringify(value) : typeof error === "string");
    });
    fc.assert(property, bounded);
  });

  test("JSON patches of anything to anything", () => {
    const operation = fc.record(
      {
        op: fc.constantFrom("add", "remove", "replace", "move", "copy", "test", "other"),
        path: wordsOf("/", "a", "0", "-", "~0", "~1", "~2", "__proto__", "constructor"),
        from: wordsOf("/", "a", "0"),
        value: fc.jsonValue({ maxDepth: 2 }),
      },
      { requiredKeys: ["op"] },
    );
    const patches = fc.oneof(fc.array(operation, { maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }));
    const property = fc.property(fc.jsonValue({ maxDepth: 3 }), patches, (document, patch) => {
      const before = JSON.stringify(document);
      valueOf(() => applyJsonPatch(document as never, patch as never), isRefusal);
      assert.equal(JSON.stringify(document), before);
    });
    fc.assert(property, bounded);
    assert.equal(({} as Record<string, unknown>)["a"], undefined);
  });

  test("strategic merge patches of anything to anything", () => {
    const fields = ["metadata", "spec", "containers", "name", "finalizers", "ports", "toString", "__proto__"];
    const directives = ["$patch", "$retainKeys", "$setElementOrder/containers", "$deleteFromPrimitiveList/finalizers"];
    const key = fc.constantFrom(...fields, ...directives);
    const leaf = fc.constantFrom<unknown>("replace", "delete", "merge", "a", 1, null);
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie("tree"), { maxLength: 3 }), fc.dictionary(key, tie("tree"))),
    }));
    const pod = patchSchemaOf("core.v1.Pod")!;
    const property = fc.property(tree, tree, (document, patch) => {
      const before = JSON.stringify([document, patch]);
      valueOf(() => applyStrategicPatch(document, patch, pod), isRefusal);
      assert.equal(JSON.stringify([document, patch]), before);
    });
    fc.assert(property, bounded);
    assert.equal(({} as Record<string, unknown>)["a"], undefined);
  });

  test("names and labels: a complaint or none", () => {
    const noise = wordsOf("a", "A", "0", "-", ".", "_", "/", "a".repeat(64), "example.com/");
    const property = fc.property(noise, (text) => {
      for (const errorsOf of [dnsLabelErrors, dnsSubdomainErrors, labelValueErrors, qualifiedNameErrors]) {
        const [first = ""] = errorsOf(text);
        assert.equal(typeof first, "string");
      }
      if (labelValueErrors(text).length > 0 || text === "") return;
      assert.ok(selectorMatches(parseSelector(`a=${text}`), { a: text }));
    });
    fc.assert(property, bounded);
  });

  test("WebSocket frames: a connection carries messages or ends", async () => {
    const head = fc.constantFrom(
      [0x82, 0x85],
      [0x81, 0x80],
      [0x82, 0xfe],
      [0x82, 0xff],
      [0x88, 0x80],
      [0x89, 0x80],
      [0x02, 0x81],
      [0x80, 0x80],
      [0xf2, 0x81],
    );
    const frame = fc
      .tuple(head, fc.uint8Array({ maxLength: 30 }))
      .map(([start, rest]) => Buffer.from([...start, ...rest]));
    const noise = fc.array(
      fc.oneof(
        frame,
        fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
      ),
      { maxLength: 6 },
    );
    const property = fc.asyncProperty(noise, async (chunks) => {
      const [here, there] = duplexPair();
      there.on("error", () => {}).resume();
      const socket = await acceptWebSocket(upgradeOn(here), "v5.channel.k8s.io");
      const closed = new Promise((resolve) => socket.once("close", resolve));
      receive(socket, (bytes) => assert.ok(Buffer.isBuffer(bytes)));
      for (const chunk of chunks) there.write(chunk);
      there.end();
      await closed;
    });
    await fc.assert(property, { ...bounded, numRuns: 500 });
  });
});

/** A client's handshake, as the HTTP server hands it over. */
function upgradeOn(socket: Upgrade["socket"]): Upgrade {
  const message = Object.assign(new IncomingMessage(new Socket()), { method: "GET", url: "/" });
  Object.assign(message.headers, {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "v5.channel.k8s.io",
  });
  return { protocol: "websocket", message, socket, head: Buffer.alloc(0) };
}
