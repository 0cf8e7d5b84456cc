// Runs the real `hubdrive` command in processes of its own, with a home folder and data directory of its own. For tests.

import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const mainPath = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const nodeFlags = ['--disable-warning=ExperimentalWarning'];

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export class CommandLine {
  readonly dir: string;
  readonly #program: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #running = new Set<ChildProcess>();

  private constructor(dir: string, program: string) {
    this.dir = dir;
    this.#program = program;
    const { HF_TOKEN: _token, HF_ENDPOINT: _endpoint, ...env } = process.env;
    this.#env = { ...env, HOME: dir, HUBDRIVE_HOME: join(dir, 'data'), HF_HOME: join(dir, 'hf') };
  }

  /** `program`: the entry of the command, the source's own if none is given. */
  static async create(program: string = mainPath): Promise<CommandLine> {
    return new CommandLine(await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-cli-'))), program);
  }

  start(words: readonly string[], env: NodeJS.ProcessEnv = {}): ChildProcess {
    const child = spawn(process.execPath, [...nodeFlags, this.#program, ...words], {
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      cwd: this.dir,
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return child;
  }

  run(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
    const child = this.start(words, env);
    let out = '';
    let err = '';
    child.stdout?.on('data', (data: Buffer) => (out += data.toString('utf8')));
    child.stderr?.on('data', (data: Buffer) => (err += data.toString('utf8')));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  }

  /** Starts a command that prints one JSON line when it is ready; resolves to it. */
  async startReady(
    words: readonly string[],
    env: NodeJS.ProcessEnv = {},
  ): Promise<{ readonly child: ChildProcess; readonly ready: Readonly<Record<string, unknown>> }> {
    const child = this.start(words, env);
    let err = '';
    child.stderr?.on('data', (data: Buffer) => (err += data.toString('utf8')));
    const line = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.stdout?.on('data', (data: Buffer) => {
        text += data.toString('utf8');
        const end = text.indexOf('\n');
        if (end >= 0) resolve(text.slice(0, end));
      });
      child.once('close', (code) => reject(new Error(`${words.join(' ')} ended with ${code}: ${err}`)));
    });
    return { child, ready: JSON.parse(line) as Record<string, unknown> };
  }

  async end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
    child.kill(signal);
    return ended;
  }

  /** Kills what is left and removes the folder. */
  async close(): Promise<void> {
    await Promise.all([...this.#running].map((child) => this.end(child, 'SIGKILL')));
    await rm(this.dir, { recursive: true, force: true });
  }
}
