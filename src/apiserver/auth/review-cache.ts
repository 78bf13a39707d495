// Answers of a webhook, kept for a while: one question is asked once at a time, and memory stays bounded.
import { createHash } from "node:crypto";
import type { Clock } from "../../machinery/clock.ts";

export interface ReviewCache<Question, Answer> {
  /** The latest answer, however old. */
  latest(question: Question): Answer | undefined;
  /** An answer that is still good, or else asks for one. Rejects when asking does. */
  fresh(question: Question): Promise<Answer>;
}

const maxAnswers = 4096;

/** `goodForMs` says how long an answer may be used again; failures are not kept. */
export function createReviewCache<Question, Answer>(options: {
  readonly clock: Clock;
  readonly ask: (question: Question) => Promise<Answer>;
  readonly goodForMs: (answer: Answer) => number;
}): ReviewCache<Question, Answer> {
  const { clock, ask, goodForMs } = options;
  const answers = new Map<string, { readonly answer: Answer; readonly until: number }>();
  const asking = new Map<string, Promise<Answer>>();
  const askAnew = async (key: string, question: Question) => {
    try {
      const answer = await ask(question);
      answers.delete(key);
      answers.set(key, { answer, until: clock.now() + goodForMs(answer) });
      if (answers.size > maxAnswers) answers.delete(answers.keys().next().value!);
      return answer;
    } catch (error) {
      answers.delete(key);
      throw error;
    } finally {
      asking.delete(key);
    }
  };
  return {
    latest: (question) => answers.get(keyOf(question))?.answer,
    fresh(question) {
      const key = keyOf(question);
      const known = answers.get(key);
      if (known && clock.now() < known.until) return Promise.resolve(known.answer);
      let pending = asking.get(key);
      if (!pending) asking.set(key, (pending = askAnew(key, question)));
      return pending;
    },
  };
}

/** Questions carry tokens: only their digest is kept. */
const keyOf = (question: unknown) => createHash("sha256").update(JSON.stringify(question)).digest("base64");
