// The host under measurement: the `hubdrive` command as people run it, in a process of its own, with mounts that only serve NFS.
// Its engine threads check MACs, keep the catalogue and record activity as always; nothing is switched off.

import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { MountView, Settings } from '../src/shared/model.ts';
import { Connection } from '../src/cli/connection.ts';
import { endChild } from './child.ts';
import type { HubAddress } from './hub-child.ts';

const program = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
/** Where the launcher keeps compiled code. */
export const codeCacheDir = fileURLToPath(new URL('../node_modules/.cache/code', import.meta.url));

export interface HostOptions {
  readonly settings?: Partial<Settings>;
  readonly profileDir?: string | null;
  readonly env?: NodeJS.ProcessEnv;
}

export interface ServedMount {
  readonly port: number;
  readonly exportPath: string;
}

export class HostProcess {
  readonly #dir: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #nodeFlags: readonly string[];
  #child: ChildProcess | null = null;
  #controlPath = '';

  private constructor(dir: string, hub: HubAddress, options: HostOptions) {
    this.#dir = dir;
    const profiling =
      typeof options.profileDir === 'string' ? ['--cpu-prof', `--cpu-prof-dir=${options.profileDir}`] : [];
    this.#nodeFlags = ['--disable-warning=ExperimentalWarning', ...profiling];
    this.#env = {
      ...process.env,
      HOME: dir,
      HUBDRIVE_HOME: join(dir, 'data'),
      HF_HOME: join(dir, 'hf'),
      HF_ENDPOINT: hub.endpoint,
      HF_TOKEN: hub.token,
      // As the launcher sets them.
      UV_THREADPOOL_SIZE: '16',
      NODE_COMPILE_CACHE: codeCacheDir,
      ...options.env,
    };
  }

  static async start(dir: string, hub: HubAddress, options: HostOptions): Promise<HostProcess> {
    const host = new HostProcess(dir, hub, options);
    await mkdir(join(dir, 'data'), { recursive: true, mode: 0o700 });
    await writeFile(join(dir, 'data', 'settings.json'), JSON.stringify(options.settings ?? {}));
    await host.restart();
    return host;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Ends the host if it runs and starts it on the same data; what was mounted comes back. Resolves when it is ready. */
  async restart(): Promise<void> {
    await this.close();
    const child = spawn(process.execPath, [...this.#nodeFlags, program, 'serve'], {
      cwd: this.#dir,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', (line: Buffer) => {
        this.#controlPath = (JSON.parse(line.toString('utf8')) as { readonly control: string }).control;
        resolve();
      });
      child.once('exit', (code) =>
        reject(new Error(`the host ended with ${code}; its log is in ${this.#dir}`)),
      );
    });
  }

  /** Serves `source` (`bucket/OWNER/NAME`) without the system's mount. */
  async mount(source: string): Promise<ServedMount> {
    const view = JSON.parse(await this.run(['mount', source, '--server-only', '--json'])) as MountView;
    if (view.nfs === null) throw new Error(`${source} has no server`);
    return { port: view.nfs.port, exportPath: view.nfs.exportPath };
  }

  async mounts(): Promise<readonly MountView[]> {
    return (JSON.parse(await this.run(['status', '--json'])) as { readonly mounts: readonly MountView[] })
      .mounts;
  }

  /** What is written in `source` stays on this machine until the host ends. */
  async pauseUploads(source: string): Promise<void> {
    const connection = await Connection.open(this.#controlPath);
    if (connection === null) throw new Error('the host does not listen');
    await connection.call('mounts:pause', { target: source, until: null });
    connection.close();
  }

  /** Runs the `hubdrive` command; resolves with what it printed, rejects if it failed. */
  run(words: readonly string[]): Promise<string> {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...words], {
      cwd: this.#dir,
      env: this.#env,
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (data: Buffer) => (out += data.toString('utf8')));
    child.stderr.on('data', (data: Buffer) => (err += data.toString('utf8')));
    return new Promise((resolve, reject) => {
      child.once('close', (code) => {
        if (code === 0) resolve(out);
        else reject(new Error(`hubdrive ${words.join(' ')} ended with ${code}: ${err}`));
      });
    });
  }

  /** Resident memory, bytes; null where the system does not tell. */
  async residentBytes(): Promise<number | null> {
    const status = await readFile(`/proc/${this.pid}/status`, 'utf8').catch(() => '');
    const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    return kibibytes === undefined ? null : Number(kibibytes) * 1024;
  }

  /** Processor time spent so far by all its threads; null where the system does not tell. */
  async processorMs(): Promise<number | null> {
    const stat = await readFile(`/proc/${this.pid}/stat`, 'utf8').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [user, system] = [Number(fields[11]), Number(fields[12])];
    // Ticks of 10 ms on every Linux.
    return Number.isFinite(user + system) ? (user + system) * 10 : null;
  }

  async close(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child !== null) await endChild(child);
  }
}
