// The thread in which policies are asked that take longer than a turn of the event loop.
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { compilePolicy, type PolicySpec } from "../../../kinds/admissionregistration/expressions.ts";
import type { AuthorizationQuestion } from "../../../machinery/cel/authorizer.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { QuestionLine } from "../../task-thread.ts";
import { Evaluation, Subject, type SubjectData } from "./evaluation.ts";
import { outcomeOf, type Question } from "./outcome.ts";

export interface PolicyTask {
  readonly question: Question;
  readonly spec: PolicySpec;
  readonly data: SubjectData;
  readonly params: KubeObject | null;
}

const { answers, isAnswered } = workerData as QuestionLine;

/** Only the server's own thread knows who may do what. */
function decide(question: AuthorizationQuestion): ReturnType<Subject["decide"]> {
  Atomics.store(isAnswered, 0, 0);
  parentPort!.postMessage({ question });
  Atomics.wait(isAnswered, 0, 0);
  return receiveMessageOnPort(answers)!.message as ReturnType<Subject["decide"]>;
}

parentPort!.on("message", ({ question, spec, data, params }: PolicyTask) => {
  const compiled = compilePolicy(spec);
  const evaluation = new Evaluation(compiled, new Subject(data, decide), params);
  parentPort!.postMessage({ result: outcomeOf(question, spec, compiled, evaluation) });
});
