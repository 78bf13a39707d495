// HAProxy as a child process: started when it is first needed, reloaded without losing a connection, and commanded through
// its admin socket. It outlives Knarr and is adopted by the next one.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { adoptChild, type Child, startChild } from "../../host/child.ts";
import { run } from "../../host/run.ts";
import { type Clock, sleep } from "../../machinery/clock.ts";
import { emptyDirectory } from "./config.ts";
import { defaultCertificate } from "./render.ts";
import { createSelfSigned, isExpiring } from "./self-signed.ts";

/** Another worker must answer within this time after a start or reload. */
const startMs = 5000;

class HAProxyError extends Error {}

export class HAProxy {
  readonly #directory: string;
  readonly #clock: Clock;
  #child: Child | undefined;

  constructor(directory: string, clock: Clock) {
    this.#directory = directory;
    this.#clock = clock;
    this.#child = adoptChild({ pidFile: this.#path("haproxy.pid") }, clock);
  }

  get running(): boolean {
    return this.#child?.alive() ?? false;
  }

  /** Resolves when the process that is running now ends by itself; never for an adopted one. */
  get exited(): Promise<unknown> | undefined {
    return this.#child?.exited;
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }

  /** Writes the configuration so that a restart of HAProxy alone would find it. */
  writeConfig(config: string): void {
    this.#write("haproxy.cfg", config);
  }

  /** Brings a configuration with its files into force. Throws HAProxyError with HAProxy's own words when it is refused. */
  async load(config: string, files: ReadonlyMap<string, string>): Promise<void> {
    // HAProxy has read what it runs with; what is no longer referred to must not stay on disk.
    rmSync(this.#path("certificates"), { recursive: true, force: true });
    for (const [file, content] of files) this.#write(file, content);
    await this.#ensureDefaultCertificate();
    this.writeConfig(config);
    mkdirSync(this.#path(emptyDirectory), { recursive: true, mode: 0o700 });
    const check = await run("haproxy", ["-c", "-f", this.#path("haproxy.cfg")]);
    if (check.code !== 0) throw new HAProxyError(`HAProxy refuses its configuration: ${check.stderr.slice(0, 1000)}`);
    const before = this.running ? await this.#workerPid() : undefined;
    if (this.running) process.kill(this.#child!.pid, "SIGUSR2");
    else this.#child = await this.#start();
    await this.#waitForOtherWorker(before);
  }

  #start(): Promise<Child> {
    return startChild(
      {
        command: "haproxy",
        args: ["-W", "-f", this.#path("haproxy.cfg")],
        logFile: this.#path("haproxy.log"),
        pidFile: this.#path("haproxy.pid"),
      },
      this.#clock,
    );
  }

  async #waitForOtherWorker(before: string | undefined): Promise<void> {
    const deadline = this.#clock.now() + startMs;
    for (;;) {
      const pid = await this.#workerPid();
      if (pid !== undefined && pid !== before) return;
      if (!this.running || this.#clock.now() > deadline)
        throw new HAProxyError(`HAProxy does not come up: ${this.#lastWords()}`);
      await sleep(this.#clock, 10);
    }
  }

  async #workerPid(): Promise<string | undefined> {
    const info = await this.command(["show info"]).catch(() => "");
    return /^Pid: (\d+)/m.exec(info)?.[1];
  }

  #lastWords(): string {
    try {
      return readFileSync(this.#path("haproxy.log"), "utf8").trim().split("\n").slice(-3).join("; ");
    } catch {
      return "it says nothing";
    }
  }

  /** Sends commands to the worker and returns what it prints; throws when the socket does not answer. */
  command(commands: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.#path("admin.sock"));
      const chunks: Buffer[] = [];
      socket.setTimeout(startMs, () => socket.destroy(new HAProxyError("HAProxy's admin socket is silent")));
      socket.on("connect", () => socket.write(`${commands.join("; ")}\n`));
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.on("error", reject);
      socket.on("end", () => resolve(Buffer.concat(chunks).toString("utf8")));
    });
  }

  /** Lets open requests end, as far as they do within `graceMs`. */
  async stop(graceMs = 2000): Promise<void> {
    await this.#child?.stop({ graceMs, signal: "SIGUSR1" });
    this.#child = undefined;
  }

  async #ensureDefaultCertificate(): Promise<void> {
    const file = this.#path(defaultCertificate);
    const now = this.#clock.now();
    if (existsSync(file) && !isExpiring(readFileSync(file, "utf8"), now)) return;
    this.#write(defaultCertificate, await createSelfSigned("Knarr default certificate", now));
  }

  #write(file: string, content: string): void {
    const path = this.#path(file);
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, content, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}
