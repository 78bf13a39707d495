// Asks a policy here as long as that is quick, and in a thread of its own when it is not.
import type { CompiledPolicy, PolicySpec } from "../../../kinds/admissionregistration/expressions.ts";
import type { AuthorizationQuestion } from "../../../machinery/cel/authorizer.ts";
import type { KubeObject } from "../../../machinery/object.ts";
import type { Awaitable } from "../../../machinery/turn.ts";
import { TaskThread } from "../../task-thread.ts";
import { Evaluation, type Subject } from "./evaluation.ts";
import { outcomeOf, type Outcome, type Question } from "./outcome.ts";
import type { PolicyTask } from "./policy-worker.ts";

/** About 4 ms of expressions. */
const stepsPerTurn = 15_000;

const thread = new TaskThread<PolicyTask, Outcome>({
  name: "policies",
  from: import.meta.url,
  module: "./policy-worker.ts",
  memoryMb: 256,
  limitMs: 30_000,
});

interface Asked {
  readonly policy: { readonly spec?: PolicySpec };
  readonly compiled: CompiledPolicy;
}

/** What the policy says here and now; undefined when that takes too long. */
export function askQuickly<T>(
  question: Question,
  { policy, compiled }: Asked,
  subject: Subject,
  params: KubeObject | null,
): Outcome<T> | undefined {
  const evaluation = new Evaluation(compiled, subject, params, stepsPerTurn);
  const outcome = outcomeOf(question, policy.spec ?? {}, compiled, evaluation);
  return evaluation.isCutShort ? undefined : (outcome as Outcome<T>);
}

export function ask<T>(
  question: Question,
  asked: Asked,
  subject: Subject,
  params: KubeObject | null,
): Awaitable<Outcome<T>> {
  const outcome = askQuickly<T>(question, asked, subject, params);
  if (outcome) return outcome;
  const { object, oldObject, request, namespaceObject, resource } = subject.data;
  const data = { object, oldObject, request, namespaceObject, resource };
  const decide = (about: unknown) => subject.decide(about as AuthorizationQuestion);
  const later = thread.run({ question, spec: asked.policy.spec ?? {}, data, params }, decide);
  return later.catch(({ message: error }: Error) => ({ error })) as Promise<Outcome<T>>;
}

/** Work that yields what it has to wait for, mostly nothing. */
export type Steps<T> = Generator<Promise<unknown>, T, unknown>;

export function* waited<T>(value: Awaitable<T>): Steps<T> {
  return value instanceof Promise ? ((yield value) as T) : value;
}

/** Goes through the steps; at once unless there is something to wait for. */
export function settle(steps: Steps<void>): Promise<void> | undefined {
  const { done, value } = steps.next();
  return done ? undefined : settleLater(steps, value as Promise<unknown>);
}

async function settleLater(steps: Steps<void>, first: Promise<unknown>): Promise<void> {
  for (let next = first; ;) {
    const { done, value } = steps.next(await next);
    if (done) return;
    next = value as Promise<unknown>;
  }
}
