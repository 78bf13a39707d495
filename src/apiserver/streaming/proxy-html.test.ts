import { test } from "node:test";
import assert from "node:assert/strict";
import type { BodySink } from "../http/exchange.ts";
import { rewriteLinks, withLinks } from "./proxy-html.ts";

const link = (url: string) => (url.startsWith("/") ? `/proxy${url}` : url);

test("links of tags that have some are replaced, whatever their quotes", () => {
  const page = `<html><A class=x HREF="/a">/a</A><img src='/b' alt="/b"><script src=/c></script><p href="/d"><a href="e">`;
  const wanted = `<html><A class=x HREF="/proxy/a">/a</A><img src='/proxy/b' alt="/b"><script src=/proxy/c></script><p href="/d"><a href="e">`;
  assert.equal(rewriteLinks(page, link), wanted);
});

test("a page keeps its bytes but for its links, wherever its pieces end", async () => {
  const page = Buffer.concat([Buffer.from(`<a href="/ä">ä</a> 1 < 2 `), Buffer.from([0xff, 0xfe])]);
  for (let size = 1; size < page.length; size++) {
    const sent: Buffer[] = [];
    const sink = { write: (chunk: Uint8Array) => sent.push(Buffer.from(chunk)) > 0, end() {} } as unknown as BodySink;
    const response = withLinks(
      {
        status: 200,
        headers: { "content-type": "text/html; charset=utf-8", "content-length": String(page.length) },
        body(to) {
          for (let at = 0; at < page.length; at += size) to.write(page.subarray(at, at + size));
          to.end();
        },
      },
      link,
    );
    assert.equal(response.headers["content-length"], undefined);
    await (response.body as (to: BodySink) => void)(sink);
    const wanted = Buffer.concat([Buffer.from(`<a href="/proxy/ä">ä</a> 1 < 2 `), Buffer.from([0xff, 0xfe])]);
    assert.deepEqual(Buffer.concat(sent), wanted);
  }
});
