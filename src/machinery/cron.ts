// Cron schedules: five fields, names, steps, the @ forms and @every, in any time zone.
// Follows the grammar of robfig/cron v3 ParseStandard, which kubernetes v1.36 pkg/controller/cronjob uses.
import { parseDuration } from "./duration.ts";

export interface CronFields {
  readonly type: "fields";
  readonly minutes: ReadonlySet<number>;
  readonly hours: ReadonlySet<number>;
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Both days and weekdays are given: a day fits if either does. */
  readonly eitherDay: boolean;
}

export type CronSchedule = CronFields | { readonly type: "every"; readonly ms: number };

const monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const macros: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const isAny = (field: string): boolean => field === "*" || field === "?";

/** Throws an Error that says what is wrong. */
export function parseCron(text: string): CronSchedule {
  const trimmed = text.trim();
  if (trimmed.startsWith("@every ")) return { type: "every", ms: everyMs(trimmed.slice("@every ".length)) };
  const expanded = trimmed.startsWith("@") ? macros[trimmed] : trimmed;
  if (expanded === undefined) throw new Error(`unrecognized descriptor: ${text}`);
  const fields = expanded.split(/\s+/).filter(Boolean);
  if (fields.length !== 5) throw new Error(`expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`);
  const [minute, hour, day, month, weekday] = fields as [string, string, string, string, string];
  return {
    type: "fields",
    minutes: parseField(minute, { min: 0, max: 59 }),
    hours: parseField(hour, { min: 0, max: 23 }),
    days: parseField(day, { min: 1, max: 31 }),
    months: parseField(month, { min: 1, max: 12, names: monthNames }),
    weekdays: parseField(weekday, { min: 0, max: 6, names: dayNames }),
    eitherDay: !/^[*?]/.test(day) && !/^[*?]/.test(weekday),
  };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

function parseField(field: string, bounds: Bounds): Set<number> {
  const values = new Set<number>();
  for (const part of field.split(",")) {
    const [range = "", stepText, more] = part.split("/");
    if (more !== undefined) throw new Error(`too many slashes: ${part}`);
    const step = stepText === undefined ? 1 : parseNumber(stepText, bounds);
    if (step === 0) throw new Error(`step of range should be a positive number: ${part}`);
    const [first, last] = parseRange(range, bounds, stepText !== undefined);
    for (let value = first; value <= last; value += step) values.add(value);
  }
  return values;
}

function parseRange(range: string, bounds: Bounds, stepped: boolean): [number, number] {
  const { min, max } = bounds;
  if (isAny(range)) return [min, max];
  const [from = "", to, more] = range.split("-");
  if (more !== undefined) throw new Error(`too many hyphens: ${range}`);
  const first = parseNumber(from, bounds);
  const last = to === undefined ? (stepped ? max : first) : parseNumber(to, bounds);
  if (first < min) throw new Error(`beginning of range (${first}) below minimum (${min}): ${range}`);
  if (last > max) throw new Error(`end of range (${last}) above maximum (${max}): ${range}`);
  if (first > last) throw new Error(`beginning of range (${first}) beyond end of range (${last}): ${range}`);
  return [first, last];
}

function parseNumber(text: string, { min, names }: Bounds): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + min;
  if (!/^\d+$/.test(text)) throw new Error(`failed to parse int from ${text}`);
  return Number(text);
}

/** `1h30m` → milliseconds, in whole seconds and at least one. */
function everyMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new Error(`failed to parse duration @every ${text}`);
  return Math.max(1000, Math.floor(ms / 1000) * 1000);
}

/** Whether the platform knows the time zone. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** How far the zone's clocks are ahead of UTC at that moment, in milliseconds. */
function offsetAt(epochMs: number, timeZone: string): number {
  if (timeZone === "UTC") return 0;
  let format = formats.get(timeZone);
  if (!format) {
    const numeric = "numeric" as const;
    const parts = { year: numeric, month: numeric, day: numeric, hour: numeric, minute: numeric, second: numeric };
    format = new Intl.DateTimeFormat("en-US", { timeZone, hourCycle: "h23", ...parts });
    formats.set(timeZone, format);
  }
  const part = Object.fromEntries(format.formatToParts(epochMs).map(({ type, value }) => [type, Number(value)]));
  const wall = Date.UTC(part.year!, part.month! - 1, part.day!, part.hour!, part.minute!, part.second!);
  return wall - Math.floor(epochMs / 1000) * 1000;
}

/** The moment at which clocks of the zone show `wall` (given as if it were UTC); in a gap, the moment after it. */
function momentOf(wall: number, timeZone: string): number {
  const guess = wall - offsetAt(wall, timeZone);
  return wall - offsetAt(guess, timeZone);
}

const farthestYears = 5;
const minuteMs = 60_000;
const dayMs = 86_400_000;

function dayFits(schedule: CronFields, date: Date): boolean {
  const day = schedule.days.has(date.getUTCDate());
  const weekday = schedule.weekdays.has(date.getUTCDay());
  return schedule.eitherDay ? day || weekday : day && weekday;
}

/** The first moment after `after` (epoch milliseconds) that the schedule names; undefined when there is none in years. */
export function nextTime(schedule: CronSchedule, after: number, timeZone = "UTC"): number | undefined {
  if (schedule.type === "every") return Math.floor(after / 1000) * 1000 + schedule.ms;
  const offset = offsetAt(after, timeZone);
  let wall = (Math.floor((after + offset) / minuteMs) + 1) * minuteMs;
  const limit = wall + farthestYears * 366 * dayMs;
  while (wall < limit) {
    const date = new Date(wall);
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
    if (!schedule.months.has(month + 1)) wall = Date.UTC(year, month + 1, 1);
    else if (!dayFits(schedule, date)) wall = Date.UTC(year, month, date.getUTCDate() + 1);
    else if (!schedule.hours.has(date.getUTCHours())) wall = (Math.floor(wall / 3_600_000) + 1) * 3_600_000;
    else if (!schedule.minutes.has(date.getUTCMinutes())) wall += minuteMs;
    else {
      const moment = momentOf(wall, timeZone);
      // Clocks that were put back show the same time twice, clocks put forward leave some out.
      if (moment > after && moment + offsetAt(moment, timeZone) === wall) return moment;
      wall += minuteMs;
    }
  }
  return undefined;
}

/** The last moment in (`after`, `until`] that the schedule names. */
export function lastTime(schedule: CronSchedule, after: number, until: number, timeZone = "UTC"): number | undefined {
  if (schedule.type === "every") {
    const count = Math.floor((until - after) / schedule.ms);
    return count > 0 ? nextTime(schedule, after + (count - 1) * schedule.ms) : undefined;
  }
  // Look at short spans first: after a long pause there may be very many moments.
  for (const span of [3_600_000, dayMs, 32 * dayMs, 366 * dayMs, Infinity]) {
    const start = Math.max(after, until - span);
    let found: number | undefined;
    let next = nextTime(schedule, start, timeZone);
    while (next !== undefined && next <= until) {
      found = next;
      next = nextTime(schedule, next, timeZone);
    }
    if (found !== undefined || start === after) return found;
  }
  return undefined;
}
