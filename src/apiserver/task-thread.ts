// A thread for tasks that would hold up everybody else: it takes one at a time, stays while more come, and is replaced when a
// task was too much for it.
import { realClock } from "../machinery/clock.ts";

export interface TaskThreadOptions {
  readonly name: string;
  /** URL of the module that the next is relative to. */
  readonly from: string;
  /** The module that takes tasks as messages and answers each with one `{ result }`; its name ends in `.ts`. */
  readonly module: string;
  readonly memoryMb: number;
  /** No task takes this long that is worth its answer. */
  readonly limitMs: number;
}

/** Asked by the thread in the middle of a task, and answered at once while it waits. */
export type AnswerQuestion = (question: unknown) => unknown;

type Message<Result> = { readonly result: Result } | { readonly question: unknown };
/** Nothing of the module is loaded until there is a task. */
type Worker = import("node:worker_threads").Worker;
type MessagePort = import("node:worker_threads").MessagePort;

/** What the thread gets at its start, to ask questions with. */
export interface QuestionLine {
  readonly answers: MessagePort;
  /** One number: 1 once the answer to a question is there. */
  readonly isAnswered: Int32Array;
}

interface Running extends QuestionLine {
  readonly worker: Worker;
}

const idleMs = 30_000;

export class TaskThread<Task, Result> {
  readonly #options: TaskThreadOptions;
  #turn: Promise<unknown> = Promise.resolve();
  #waiting: Running | undefined;
  #cancelEnd = () => {};

  constructor(options: TaskThreadOptions) {
    this.#options = options;
  }

  /** The result, when it is the task's turn. Rejects when it takes too much time or memory, or the thread fails. */
  run(task: Task, answer: AnswerQuestion = () => undefined): Promise<Result> {
    const result = this.#turn.then(() => this.#run(task, answer));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #run(task: Task, answer: AnswerQuestion): Promise<Result> {
    this.#cancelEnd();
    const running = this.#waiting ?? (await this.#start());
    this.#waiting = undefined;
    running.worker.ref();
    try {
      const result = await this.#exchange(running, task, answer);
      this.#keep(running);
      return result;
    } catch (error) {
      await running.worker.terminate();
      throw error;
    }
  }

  #exchange({ worker, answers, isAnswered }: Running, task: Task, answer: AnswerQuestion): Promise<Result> {
    return new Promise<Result>((resolve, reject) => {
      const settle = (act: () => void) => {
        cancel();
        worker.off("message", onMessage).off("error", onError);
        act();
      };
      const onMessage = (message: Message<Result>) => {
        if ("result" in message) return settle(() => resolve(message.result));
        answers.postMessage(answer(message.question));
        Atomics.store(isAnswered, 0, 1);
        Atomics.notify(isAnswered, 0);
      };
      const onError = (error: Error) => settle(() => reject(error));
      const onLate = () => onError(new Error(`it took longer than ${this.#options.limitMs / 1000} s`));
      const cancel = realClock.after(this.#options.limitMs, onLate);
      worker.on("message", onMessage).on("error", onError);
      worker.postMessage(task);
    });
  }

  async #start(): Promise<Running> {
    const { MessageChannel, Worker } = await import("node:worker_threads");
    const { name, from, module, memoryMb } = this.#options;
    const { port1: answers, port2 } = new MessageChannel();
    const isAnswered = new Int32Array(new SharedArrayBuffer(4));
    // Packages have JavaScript in its place.
    const file = from.endsWith(".ts") ? module : module.replace(/ts$/, "js");
    const worker = new Worker(new URL(file, from), {
      name,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
      workerData: { answers: port2, isAnswered } satisfies QuestionLine,
      transferList: [port2],
    });
    const running = { worker, answers, isAnswered };
    worker.on("error", () => this.#waiting === running && (this.#waiting = undefined));
    return running;
  }

  #keep(running: Running): void {
    this.#waiting = running;
    running.worker.unref();
    this.#cancelEnd = realClock.after(idleMs, () => {
      this.#waiting = undefined;
      void running.worker.terminate();
    });
  }
}
