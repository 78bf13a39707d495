// Rules of custom kinds that take long are judged in a thread of their own.
import type { JudgeElsewhere } from "../../kinds/custom/kind.ts";
import type { FieldError } from "../../machinery/errors.ts";
import { TaskThread } from "../task-thread.ts";
import type { RulesTask } from "./rules-worker.ts";

const thread = new TaskThread<RulesTask, readonly FieldError[]>({
  name: "rules",
  from: import.meta.url,
  module: "./rules-worker.ts",
  memoryMb: 256,
  limitMs: 30_000,
});

export const judgeInThread: JudgeElsewhere = (schema, object, old, errors) =>
  thread.run({ schema, object, old, errors });
