// Numbers that may be given as a share of a total: `2` or `"25%"`.

/** The number itself, or that percentage of `total`, rounded up or down; 0 when absent or malformed. */
export function resolveIntOrPercent(value: number | string | undefined, total: number, round: "up" | "down"): number {
  if (value === undefined) return 0;
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  if (percent === undefined) return Number.isInteger(Number(value)) ? Number(value) : 0;
  const share = (Number(percent) * total) / 100;
  return round === "up" ? Math.ceil(share) : Math.floor(share);
}
