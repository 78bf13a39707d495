// CEL's tokens. Follows the grammar of cel-go (parser/gen/CEL.g4), its escapes and the wording of its complaints.
import type { Issue } from "./ast.ts";
import { Uint } from "./value.ts";

export interface Token {
  readonly kind: "number" | "string" | "bytes" | "identifier" | "symbol" | "end";
  readonly text: string;
  readonly value?: unknown;
  readonly at: number;
}

/** Thrown at the first mistake in the grammar. */
export class SyntaxIssue extends Error {
  readonly issue: Issue;
  constructor(at: number, message: string) {
    super(message);
    this.issue = { at, message: `Syntax error: ${message}` };
  }
}

const space = /(?:[\s]|\/\/[^\n]*)*/y;
const number = /(?:\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|0x[0-9a-fA-F]+[uU]?|\d+[uU]?)/y;
const identifier = /[A-Za-z_]\w*|`[\w.\-/ ]+`/y;
const symbol = /==|!=|<=|>=|&&|\|\||[-+*/%<>!?:.,()[\]{}]/y;
const text =
  /([bB]?[rR]?|[rR][bB])("""(?:[^\\]|\\[^])*?"""|'''(?:[^\\]|\\[^])*?'''|"(?:[^"\\\n\r]|\\.)*"|'(?:[^'\\\n\r]|\\.)*')/y;

/** Throws SyntaxIssue. */
export function tokensOf(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(source);
  };
  for (;;) {
    at += take(space)![0].length;
    if (at >= source.length) break;
    const literal = take(text);
    const match = literal ?? take(number) ?? take(identifier) ?? take(symbol);
    if (!match) throw new SyntaxIssue(at, `token recognition error at: '${source.slice(at, at + 1)}'`);
    const word = match[0];
    tokens.push(literal ? literalToken(literal, at) : plainToken(word, at));
    at += word.length;
  }
  tokens.push({ kind: "end", text: "<EOF>", at: source.length });
  return tokens;
}

function plainToken(word: string, at: number): Token {
  if (/^\.?\d/.test(word)) return { kind: "number", text: word, value: numberOf(word), at };
  if (/^[A-Za-z_]/.test(word)) return { kind: "identifier", text: word, at };
  if (word.startsWith("`")) return { kind: "identifier", text: word.slice(1, -1), at };
  return { kind: "symbol", text: word, at };
}

function numberOf(word: string): unknown {
  if (/[uU]$/.test(word)) return new Uint(BigInt(word.slice(0, -1)));
  return word.startsWith("0x") || /^\d+$/.test(word) ? BigInt(word) : Number(word);
}

function literalToken([, prefix, quoted]: RegExpExecArray, at: number): Token {
  const width = quoted!.startsWith('"""') || quoted!.startsWith("'''") ? 3 : 1;
  const inner = quoted!.slice(width, -width);
  const isBytes = /b/i.test(prefix!);
  const value = /r/i.test(prefix!) ? inner : unescaped(inner, isBytes, at);
  const word = prefix! + quoted!;
  if (!isBytes) return { kind: "string", text: word, value, at };
  return { kind: "bytes", text: word, value: Buffer.from(value, /r/i.test(prefix!) ? "utf8" : "latin1"), at };
}

const escapes: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** Of bytes each letter of the result is one byte. */
function unescaped(inner: string, isBytes: boolean, at: number): string {
  const source = isBytes ? Buffer.from(inner).toString("latin1") : inner;
  if (!source.includes("\\")) return source;
  return source.replaceAll(
    /\\(?:([xX])([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|([^]))/g,
    (whole, _x, hex, short, long, octal, letter: string | undefined) => {
      if (letter === undefined) {
        const code = Number.parseInt(hex ?? short ?? long ?? octal, octal ? 8 : 16);
        if (code > 0x10ffff || (isBytes && (short || long))) throw new SyntaxIssue(at, `invalid escape ${whole}`);
        return String.fromCodePoint(code);
      }
      if (Object.hasOwn(escapes, letter)) return escapes[letter]!;
      if (/[\\"'`?]/.test(letter)) return letter;
      throw new SyntaxIssue(at, `token recognition error at: '${whole}'`);
    },
  );
}
