// The log format of CRI: `<time> <stream> <tags> <text>`; tag P marks a part of a longer line.

export interface LogLine {
  /** RFC 3339 with nanoseconds, as written. */
  readonly time: string;
  readonly stream: "stdout" | "stderr";
  /** With its newline, unless the line goes on in the next entry. */
  readonly text: string;
}

/** Undefined for a line that is none. */
export function parseLogLine(line: string): LogLine | undefined {
  const afterTime = line.indexOf(" ");
  const afterStream = line.indexOf(" ", afterTime + 1);
  if (afterTime < 0 || afterStream < 0) return undefined;
  const stream = line.slice(afterTime + 1, afterStream);
  if (stream !== "stdout" && stream !== "stderr") return undefined;
  const afterTags = line.indexOf(" ", afterStream + 1);
  const tags = line.slice(afterStream + 1, afterTags < 0 ? undefined : afterTags);
  const text = afterTags < 0 ? "" : line.slice(afterTags + 1);
  const partial = tags.split(":")[0] === "P";
  return { time: line.slice(0, afterTime), stream, text: partial ? text : `${text}\n` };
}
