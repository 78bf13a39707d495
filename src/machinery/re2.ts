// RE2 regular expressions, the dialect of OpenAPI patterns and CEL: linear in time, so hostile input is harmless.
import { createRequire } from "node:module";
import type { RE2JS } from "re2js";

const require = createRequire(import.meta.url);

/** Compiles a pattern; throws an Error that says what is wrong. The library is loaded with the first one. */
export function compileRe2(pattern: string): RE2JS {
  const library = require("re2js") as typeof import("re2js");
  return library.RE2JS.compile(pattern);
}
