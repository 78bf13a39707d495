// Durations as people read them. Follows kubernetes v1.36 apimachinery/pkg/util/duration (HumanDuration).
import { parseTime } from "./clock.ts";

const pair = (large: number, largeUnit: string, small: number, smallUnit: string) =>
  small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;

/** Milliseconds in at most two units, coarser with length: `5s`, `3m12s`, `170m`, `2d3h`, `400d`. */
export function formatAge(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  // Clocks of two machines may differ a little.
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.trunc(minutes / 60);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.trunc(hours / 24);
  if (days < 8) return pair(days, "d", hours % 24, "h");
  if (days < 365 * 2) return `${days}d`;
  const years = Math.trunc(days / 365);
  return days < 365 * 8 ? pair(years, "y", days % 365, "d") : `${years}y`;
}

/** Age of a timestamp at `now` (epoch milliseconds); `<unknown>` when there is none. */
export function ageOf(timestamp: string | undefined, now: number): string {
  const at = parseTime(timestamp);
  return Number.isNaN(at) ? "<unknown>" : formatAge(now - at);
}

const unitMs: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** `1h30m` → milliseconds; undefined when it is no duration without a sign. */
export function parseDuration(text: string): number | undefined {
  if (text === "0") return 0;
  if (!/^((\d+(\.\d*)?|\.\d+)(ns|us|µs|ms|h|m|s))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ns|us|µs|ms|h|m|s)/g)) ms += Number(number) * unitMs[unit!]!;
  return ms;
}
