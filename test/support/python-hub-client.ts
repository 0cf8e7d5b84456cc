// Python's `huggingface_hub` with `hf_xet` as a `ForeignClient`: a child process that runs python_hub_driver.py.

import { execFile, spawn, type ChildProcessByStdio } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { ForeignClient, ForeignEntry, ForeignFile } from './foreign-client.ts';

const driver = join(import.meta.dirname, 'python_hub_driver.py');

export const pythonInstallHint = 'python3 -m pip install huggingface_hub hf_xet';

/** The Python to use (`HUBDRIVE_TEST_PYTHON`, else `python3`), or null if it lacks the two modules. */
export async function findPython(): Promise<string | null> {
  const python = process.env['HUBDRIVE_TEST_PYTHON'] ?? 'python3';
  return new Promise((resolve) => {
    const check = 'import huggingface_hub, hf_xet; huggingface_hub.HfApi.create_bucket';
    execFile(python, ['-c', check], { timeout: 60_000 }, (error) => resolve(error === null ? python : null));
  });
}

export class PythonHubClient implements ForeignClient {
  readonly name = 'huggingface_hub';
  readonly #child: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #answers: AsyncIterableIterator<string>;
  readonly #folder: string;
  #stderr = '';
  #last: Promise<unknown> = Promise.resolve();

  /** `folder`: an existing folder for contents and the client's caches; the caller removes it. */
  constructor(python: string, endpoint: string, token: string, folder: string) {
    this.#folder = folder;
    this.#child = spawn(python, [driver], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: {
        PATH: process.env['PATH'],
        HOME: folder,
        HF_HOME: join(folder, 'hf-home'),
        HF_ENDPOINT: endpoint,
        HF_TOKEN: token,
        HF_HUB_DISABLE_PROGRESS_BARS: '1',
        HF_HUB_DISABLE_TELEMETRY: '1',
        HF_XET_TELEMETRY_ENABLED: 'false',
        PYTHONDONTWRITEBYTECODE: '1',
      },
    });
    this.#child.stderr.on('data', (text: Buffer) => {
      this.#stderr = (this.#stderr + text.toString()).slice(-8000);
    });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  createBucket(id: string): Promise<void> {
    return this.#void('createBucket', { id });
  }

  async upload(bucketId: string, files: readonly ForeignFile[]): Promise<void> {
    await this.#void('upload', { id: bucketId, files: await this.#stage(files) });
  }

  async list(bucketId: string): Promise<ForeignEntry[]> {
    return (await this.#call('list', { id: bucketId })) as ForeignEntry[];
  }

  async download(bucketId: string, path: string): Promise<Buffer> {
    return this.#receive((local) => this.#void('download', { id: bucketId, path, local }));
  }

  async downloadRange(bucketId: string, path: string, start: number, end: number): Promise<Buffer> {
    return this.#receive((local) => this.#void('downloadRange', { id: bucketId, path, start, end, local }));
  }

  copy(bucketId: string, from: string, to: string): Promise<void> {
    return this.#void('copy', { id: bucketId, source: from, target: to });
  }

  remove(bucketId: string, paths: readonly string[]): Promise<void> {
    return this.#void('remove', { id: bucketId, paths });
  }

  async createModel(id: string, files: readonly ForeignFile[]): Promise<void> {
    await this.#void('createModel', { id, files: await this.#stage(files) });
  }

  async downloadFromModel(id: string, revision: string, path: string): Promise<Buffer> {
    return readFile(String(await this.#call('downloadFromModel', { id, revision, path })));
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    await ended;
  }

  async #stage(files: readonly ForeignFile[]): Promise<{ path: string; local: string }[]> {
    const folder = join(this.#folder, randomUUID());
    await mkdir(folder);
    return Promise.all(
      files.map(async ({ path, data }, index) => {
        const local = join(folder, String(index));
        await writeFile(local, data);
        return { path, local };
      }),
    );
  }

  async #receive(fetchInto: (local: string) => Promise<void>): Promise<Buffer> {
    const local = join(this.#folder, randomUUID());
    await fetchInto(local);
    const data = await readFile(local);
    await rm(local);
    return data;
  }

  async #void(call: string, fields: object): Promise<void> {
    await this.#call(call, fields);
  }

  /** One call at a time, in the order made. */
  #call(call: string, fields: object): Promise<unknown> {
    const answer = this.#last.then(
      () => this.#exchange(call, fields),
      () => this.#exchange(call, fields),
    );
    this.#last = answer;
    return answer;
  }

  async #exchange(call: string, fields: object): Promise<unknown> {
    this.#child.stdin.write(`${JSON.stringify({ call, arguments: fields })}\n`);
    const line = await this.#answers.next();
    if (line.done === true) throw new Error(`Python ended during ${call}: ${this.#stderr}`);
    const { result, error } = JSON.parse(line.value) as { result?: unknown; error?: string };
    if (error !== undefined) throw new Error(`${call}: ${error}`);
    return result;
  }
}
