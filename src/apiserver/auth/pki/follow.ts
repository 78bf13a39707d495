// Keeps a running server's certificates current: what another process wrote is taken over at once, the clock is asked now
// and then and at every connection, as timers stand still while a machine sleeps and know nothing of clocks that jump.
import { watch } from "node:fs";
import type { Clock } from "../../../machinery/clock.ts";
import type { Logger } from "../../../machinery/log.ts";
import { declareInUse } from "./files.ts";
import type { Pki } from "../pki.ts";

const checkMs = 3_600_000;
/** Files come in pairs. */
const quietMs = 100;
/** So often at most, when renewing does not help. */
const againMs = 30_000;

/** Returns what to call at every connection. Aborting the signal ends it. */
export function followPki(
  pki: Pki,
  { clock, log, signal }: { readonly clock: Clock; readonly log: Logger; readonly signal: AbortSignal },
): () => void {
  let triedAt = Number.NEGATIVE_INFINITY;
  const renewNow = async (): Promise<void> => {
    triedAt = clock.now();
    try {
      if (await pki.renew()) log.info({}, "certificates were renewed");
      declareInUse(pki.dir, pki.digest());
    } catch (error) {
      log.error({ error }, "certificates could not be renewed: they stay as they are");
    }
  };
  let isWanted = false;
  let running: Promise<void> | undefined;
  const runWanted = async () => {
    while (isWanted) {
      isWanted = false;
      await renewNow();
    }
    running = undefined;
  };
  const renew = () => {
    isWanted = true;
    running ??= runWanted();
  };
  const check = () => {
    if (pki.isDue() && Math.abs(clock.now() - triedAt) >= againMs) renew();
  };
  let cancelCheck = () => {};
  const checkLater = () => {
    cancelCheck = clock.after(checkMs, () => {
      check();
      checkLater();
    });
  };
  checkLater();
  let cancelRenewal = () => {};
  // Hidden files are the lock and what is not finished.
  const onChange = (name: string | null) => {
    if (name?.startsWith(".")) return;
    cancelRenewal();
    cancelRenewal = clock.after(quietMs, renew);
  };
  const onError = (error: unknown) =>
    log.warn({ error }, "rotated certificates will be noticed at the next start only");
  try {
    watch(pki.dir, { persistent: false, signal }, (_, name) => onChange(name)).on("error", onError);
  } catch (error) {
    onError(error);
  }
  signal.addEventListener("abort", () => [cancelCheck, cancelRenewal].forEach((cancel) => cancel()), { once: true });
  return check;
}
