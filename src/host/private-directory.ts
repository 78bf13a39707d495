// Directories that nobody but this user enters, whatever their parents allow.
import { chmodSync, mkdirSync } from "node:fs";

/** Makes it where it is missing, and takes the rights of others away where it is there. */
export function ensurePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  chmodSync(path, 0o700);
}
