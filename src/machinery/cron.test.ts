// Cron schedules: grammar, next and last times, time zones.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isTimeZone, lastTime, nextTime, parseCron } from "./cron.ts";

const at = (text: string) => Date.parse(text);
const next = (schedule: string, after: string, zone?: string) => {
  const time = nextTime(parseCron(schedule), at(after), zone);
  return time === undefined ? undefined : new Date(time).toISOString().slice(0, 16);
};

test("the next time of a schedule", () => {
  const rows: [string, string, string | undefined][] = [
    ["* * * * *", "2026-01-01T00:00:30Z", "2026-01-01T00:01"],
    ["* * * * *", "2026-01-01T00:01:00Z", "2026-01-01T00:02"],
    ["*/15 * * * *", "2026-01-01T00:46:00Z", "2026-01-01T01:00"],
    ["5/20 3 * * *", "2026-01-01T03:06:00Z", "2026-01-01T03:25"],
    ["0 9-17/4 * * MON-FRI", "2026-01-02T17:00:00Z", "2026-01-05T09:00"],
    ["0 0 31 * *", "2026-02-01T00:00:00Z", "2026-03-31T00:00"],
    ["0 0 29 feb ?", "2026-01-01T00:00:00Z", "2028-02-29T00:00"],
    ["0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00"],
    ["@hourly", "2026-12-31T23:30:00Z", "2027-01-01T00:00"],
    ["@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30"],
    ["0 0 30 2 *", "2026-01-01T00:00:00Z", undefined],
  ];
  for (const [schedule, after, wanted] of rows) assert.equal(next(schedule, after), wanted, schedule);
});

test("time zones count, also when clocks change", () => {
  assert.equal(next("30 9 * * *", "2026-07-01T00:00:00Z", "Asia/Kolkata"), "2026-07-01T04:00");
  // 2026-03-29 02:30 does not exist in Berlin.
  assert.equal(next("30 2 * * *", "2026-03-28T12:00:00Z", "Europe/Berlin"), "2026-03-30T00:30");
  assert.equal(isTimeZone("Europe/Berlin"), true);
  assert.equal(isTimeZone("Europe/Atlantis"), false);
});

test("the last time of a schedule in a span, however long", () => {
  const schedule = parseCron("*/5 * * * *");
  assert.equal(lastTime(schedule, at("2016-01-01T00:00:00Z"), at("2026-01-01T00:07:00Z")), at("2026-01-01T00:05:00Z"));
  assert.equal(lastTime(schedule, at("2026-01-01T00:05:00Z"), at("2026-01-01T00:07:00Z")), undefined);
  assert.equal(lastTime(parseCron("@every 10s"), 0, 35_000), 30_000);
});

test("what is no schedule is refused with a reason", () => {
  const rows: [string, RegExp][] = [
    ["* * * *", /expected exactly 5 fields, found 4/],
    ["60 * * * *", /end of range \(60\) above maximum \(59\)/],
    ["5-1 * * * *", /beginning of range \(5\) beyond end/],
    ["*/0 * * * *", /step of range should be a positive number/],
    ["x * * * *", /failed to parse int from x/],
    ["@never", /unrecognized descriptor/],
    ["@every soon", /failed to parse duration/],
  ];
  for (const [schedule, reason] of rows) assert.throws(() => parseCron(schedule), reason, schedule);
});
