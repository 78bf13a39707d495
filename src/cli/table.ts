// Rows as aligned columns.

/** Every column as wide as its widest cell; lines have no blanks at their ends. */
export function formatTable(rows: readonly (readonly string[])[], gap = 3): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)) + gap);
  const line = (row: readonly string[]) => row.map((cell, column) => cell.padEnd(widths[column]!)).join("");
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
