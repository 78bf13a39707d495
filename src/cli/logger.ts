// Logging over pino: JSON lines for machines, short coloured lines for a terminal.
import pino from "pino";
import type { Logger } from "../machinery/log.ts";

export type LogFormat = "json" | "pretty";

const levels: Record<number, string> = { 20: "debug", 30: "info ", 40: "WARN ", 50: "ERROR" };
const colours: Record<number, number> = { 20: 90, 30: 36, 40: 33, 50: 31 };

/** A logger that writes to `write`; fields are printed as key=value in the pretty form. */
export function createLogger(options: {
  readonly level: string;
  readonly format: LogFormat;
  readonly colour?: boolean;
  readonly write: (line: string) => void;
}): Logger {
  const stream = {
    write: (line: string) => options.write(options.format === "json" ? line : pretty(line, options.colour ?? false)),
  };
  const settings = {
    level: options.level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { error: readable },
  };
  return pino(settings, stream) as unknown as Logger;
}

/** Nothing but what errors say and where they were made: other properties may hold what is nobody's business. */
function readable(error: unknown): unknown {
  return error instanceof Error ? { message: error.message, stack: stackOf(error) } : error;
}

function stackOf({ stack, message, cause }: Error): string {
  return `${stack ?? message}${cause instanceof Error ? `\ncaused by ${stackOf(cause)}` : ""}`;
}

function pretty(line: string, colour: boolean): string {
  const { level, time, msg, component, error, ...fields } = JSON.parse(line) as Record<string, unknown> & {
    level: number;
  };
  const paint = (code: number, text: string) => (colour ? `\u001B[${code}m${text}\u001B[0m` : text);
  const { stack } = (error ?? {}) as { stack?: string };
  if (error !== undefined && stack === undefined) fields.error = error;
  // Text from elsewhere must not command the terminal.
  const shown = (value: unknown) =>
    typeof value === "string" && !/\p{Cc}/u.test(value) ? value : JSON.stringify(value);
  const values = Object.entries(fields).map(([key, value]) => `${key}=${shown(value)}`);
  const head = `${paint(90, String(time).slice(11, 23))} ${paint(colours[level] ?? 0, levels[level] ?? String(level))}`;
  const text = [component ? `${component}:` : "", msg, paint(90, values.join(" "))].filter(Boolean).join(" ");
  const details = stack === undefined ? "" : `${stack.replaceAll("\u001B", "^[")}\n`;
  return `${head} ${text}\n${details}`;
}
