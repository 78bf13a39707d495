// Shares of the server's seats: nominal, lent, borrowed.
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import type { PriorityLevelConfiguration } from "../../kinds/flowcontrol/priority-level-configuration.ts";
import { bootstrapLevels } from "./bootstrap-objects.ts";
import { allotSeats, seatBounds } from "./seats.ts";

const levels = bootstrapLevels as readonly unknown[] as readonly PriorityLevelConfiguration[];

test("the built-in levels have upstream's seats of 600", () => {
  const bounds = seatBounds(levels, 600);
  const named = Object.fromEntries(bounds.map(({ nominal, least }, i) => [levels[i]!.metadata.name, [nominal, least]]));
  assert.deepEqual(named, {
    exempt: [0, 0],
    "catch-all": [13, 13],
    system: [74, 50],
    "node-high": [98, 73],
    "leader-election": [25, 25],
    "workload-high": [98, 49],
    "workload-low": [245, 24],
    "global-default": [49, 24],
  });
});

test("a level alone borrows what the others lend, and no more", () => {
  const bounds = seatBounds(levels, 600).slice(1);
  const idle = { high: 0, smooth: 0 };
  const rows = bounds.map((row, i) => ({ bounds: row, demand: i === 6 ? { high: 900, smooth: 900 } : idle }));
  const seats = allotSeats(rows, 600);
  assert.equal(seats[6], 600 - bounds.slice(0, 6).reduce((sum, { least }) => sum + least, 0));
});

test("seats lie within their bounds, and all together within the total unless the least need more", () => {
  const demand = fc.record({ high: fc.nat(800), smooth: fc.nat(800) });
  const shares = fc.record({
    share: fc.integer({ min: 1, max: 100 }),
    lend: fc.nat(100),
    borrow: fc.option(fc.nat(300)),
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(shares, demand), { minLength: 1, maxLength: 8 }), (rows) => {
      const total = 600;
      const bounds = seatBounds(
        rows.map(([{ share, lend, borrow }]) => ({
          spec: {
            type: "Limited",
            limited: {
              nominalConcurrencyShares: share,
              lendablePercent: lend,
              ...(borrow === null ? {} : { borrowingLimitPercent: borrow }),
            },
          },
        })) as unknown as PriorityLevelConfiguration[],
        total,
      );
      const seats = allotSeats(
        rows.map(([, wanted], i) => ({ bounds: bounds[i]!, demand: wanted })),
        total,
      );
      let least = 0;
      for (const [i, count] of seats.entries()) {
        const { nominal, most } = bounds[i]!;
        const floor = Math.max(bounds[i]!.least, Math.min(nominal, rows[i]![1].high));
        least += Math.max(1, floor);
        assert.ok(count >= Math.max(1, Math.floor(floor)) && count <= Math.max(1, floor, most), `${count}`);
      }
      assert.ok(seats.reduce((a, b) => a + b, 0) <= Math.max(total, least) + rows.length);
    }),
  );
});
