// Links in HTML pages that came through a proxy, changed so that they come through it again.
// Follows kubernetes v1.36 apimachinery/pkg/util/proxy/transport.go (tags and attributes).
import type { Body, BodySink, EdgeResponse } from "../http/exchange.ts";

/** The attributes that hold URLs, by tag. */
const linksOf: Readonly<Record<string, readonly string[]>> = {
  a: ["href"],
  applet: ["codebase"],
  area: ["href"],
  audio: ["src"],
  base: ["href"],
  blockquote: ["cite"],
  body: ["background"],
  button: ["formaction"],
  command: ["icon"],
  del: ["cite"],
  embed: ["src"],
  form: ["action"],
  frame: ["longdesc", "src"],
  head: ["profile"],
  html: ["manifest"],
  iframe: ["longdesc", "src"],
  img: ["longdesc", "src", "usemap"],
  input: ["src", "usemap", "formaction"],
  ins: ["cite"],
  link: ["href"],
  object: ["classid", "codebase", "data", "usemap"],
  q: ["cite"],
  script: ["src"],
  source: ["src"],
  video: ["poster", "src"],
};

const tags = /<([a-z][a-z0-9]*)(\s[^<>]*)>/gi;
const attributes = /(\s)([a-z]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/gi;

/** A tag longer than this passes unchanged: nothing may be held back without bound. */
const longestTag = 64 * 1024;

/** The text with every link in it replaced. */
export function rewriteLinks(html: string, link: (url: string) => string): string {
  return html.replace(tags, (whole, tag: string, rest: string) => {
    const names = linksOf[tag.toLowerCase()];
    if (!names) return whole;
    const changed = rest.replace(attributes, (text, space: string, name: string, equals: string, value: string) => {
      if (!names.includes(name.toLowerCase())) return text;
      const quote = /^["']/.test(value) ? value[0]! : "";
      const url = quote ? value.slice(1, -1) : value;
      return `${space}${name}${equals}${quote}${link(url)}${quote}`;
    });
    return `<${tag}${changed}>`;
  });
}

/** The response with its links replaced as it streams by, if it is a page in a form that can be read. */
export function withLinks(response: EdgeResponse, link: (url: string) => string): EdgeResponse {
  const { headers, body } = response;
  const isPage = String(headers["content-type"] ?? "").startsWith("text/html") && !headers["content-encoding"];
  if (!isPage || typeof body !== "function") return response;
  const { "content-length": _length, ...others } = headers;
  return { ...response, headers: others, body: rewritten(body, link) };
}

function rewritten(body: Exclude<Body, string | Uint8Array>, link: (url: string) => string): Body {
  return (sink) => {
    // Bytes stay what they are in whatever character set: links and markup are ASCII in all that matter.
    let held = "";
    const pass = (text: string) => sink.write(Buffer.from(rewriteLinks(text, link), "latin1"));
    const through: BodySink = {
      write(chunk, done) {
        const text = held + Buffer.from(chunk).toString("latin1");
        const open = text.lastIndexOf("<");
        const isCut = open >= 0 && !text.includes(">", open) && text.length - open < longestTag;
        held = isCut ? text.slice(open) : "";
        done?.();
        return pass(isCut ? text.slice(0, open) : text);
      },
      drained: () => sink.drained(),
      get bufferedBytes() {
        return sink.bufferedBytes;
      },
      end() {
        if (held) pass(held);
        sink.end();
      },
      abort: () => sink.abort(),
      get signal() {
        return sink.signal;
      },
    };
    return body(through);
  };
}
