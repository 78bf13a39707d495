// Bounds how much runs at once.

/** Returns a function that runs work when fewer than `most` are running, in the order of the calls. */
export function createLimiter(most: number): <T>(work: () => Promise<T>) => Promise<T> {
  const queue: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= most) await new Promise<void>((resolve) => queue.push(resolve));
    else running++;
    try {
      return await work();
    } finally {
      // The place goes straight to the next in line.
      const next = queue.shift();
      if (next) next();
      else running--;
    }
  };
}
