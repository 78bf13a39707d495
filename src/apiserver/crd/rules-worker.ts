// The thread in which rules of custom kinds are judged that take longer than a turn of the event loop.
import { parentPort } from "node:worker_threads";
import { compileRules } from "../../kinds/custom/rules.ts";
import type { JSONSchemaProps } from "../../kinds/generated/apiextensions.v1.ts";
import type { FieldError } from "../../machinery/errors.ts";

export interface RulesTask {
  readonly schema: JSONSchemaProps;
  readonly object: unknown;
  readonly old: unknown;
  readonly errors: readonly FieldError[];
}

parentPort!.on("message", ({ schema, object, old, errors }: RulesTask) => {
  parentPort!.postMessage({ result: compileRules(schema)!(object, old, errors)! });
});
