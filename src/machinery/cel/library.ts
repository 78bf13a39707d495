// The CEL implementation, loaded with the first expression: most clusters need none at the start.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

type Library = typeof import("@marcbachmann/cel-js") &
  Pick<typeof import("@marcbachmann/cel-js/evaluator"), "Duration">;

let library: Library | undefined;

export function celLibrary(): Library {
  library ??= {
    ...(require("@marcbachmann/cel-js") as Library),
    Duration: (require("@marcbachmann/cel-js/evaluator") as Library).Duration,
  };
  return library;
}
