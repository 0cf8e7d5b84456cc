// The host under soak: the real command line in processes of its own over the embedded Hub of this one. Starts it, mounts, kills it
// and starts it again; samples its memory and descriptors. Used by soak.ts.

import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startLocalHub, type LocalHub } from '../../src/hub-local/local-hub.ts';
import type { MountView } from '../../src/shared/model.ts';
import { CommandLine, type Finished } from '../support/command-line.ts';
import { Nfs3Client } from '../support/nfs-client.ts';

export const bucket = 'demo/soak';
const source = `bucket/${bucket}`;
const sampleMs = 1000;
const probeUrl = new URL('memory-probe.ts', import.meta.url).href;

export interface Sample {
  readonly atMs: number;
  readonly pid: number;
  readonly rssBytes: number;
  readonly descriptors: number;
}

export class SoakHost {
  readonly hub: LocalHub;
  readonly samples: Sample[] = [];
  kills = 0;
  readonly #line: CommandLine;
  #child: ChildProcess | null = null;
  #mount: MountView | null = null;
  #isEnded = false;

  private constructor(line: CommandLine, hub: LocalHub) {
    this.#line = line;
    this.hub = hub;
  }

  static async open(onHubError: (error: unknown) => void): Promise<SoakHost> {
    const line = await CommandLine.create();
    const hub = await startLocalHub({ dataDir: join(line.dir, 'hub'), onError: onHubError });
    hub.content.createBucket(bucket);
    const host = new SoakHost(line, hub);
    mkdirSync(join(line.dir, 'data'), { recursive: true, mode: 0o700 });
    // Small, so that content is evicted and fetched again.
    const settings = { cacheLimitBytes: 64 << 20, pollIntervalMs: 5000 };
    writeFileSync(join(line.dir, 'data', 'settings.json'), JSON.stringify(settings));
    try {
      await host.start();
      const mounted = await host.run(['mount', source, '--server-only']);
      assert.equal(mounted.code, 0, mounted.err);
      host.#mount = (await host.status()) ?? assert.fail('no mount in the status');
    } catch (error) {
      await host.close();
      throw error;
    }
    void host.#sampleOften();
    return host;
  }

  get #env(): NodeJS.ProcessEnv {
    return { HF_ENDPOINT: this.hub.endpoint, HF_TOKEN: this.hub.token };
  }

  /** Where the threads of the host write down what memory they need. */
  get probePath(): string {
    return join(this.#line.dir, 'memory.jsonl');
  }

  async start(): Promise<void> {
    const options = [process.env['NODE_OPTIONS'], '--expose-gc', `--import=${probeUrl}`];
    const { child } = await this.#line.startReady(['serve'], {
      ...this.#env,
      NODE_OPTIONS: options.filter((option) => option !== undefined).join(' '),
      HUBDRIVE_SOAK_MEMORY: this.probePath,
    });
    child.stderr?.resume();
    this.#child = child;
  }

  async kill(): Promise<void> {
    const child = this.#child ?? assert.fail('no host runs');
    this.#child = null;
    this.kills += 1;
    await this.#line.end(child, 'SIGKILL');
  }

  run(words: readonly string[]): Promise<Finished> {
    return this.#line.run(words, this.#env);
  }

  async status(): Promise<MountView | null> {
    const { out } = await this.run(['status', '--json']);
    const { mounts } = JSON.parse(out) as { readonly mounts: readonly MountView[] };
    return mounts[0] ?? null;
  }

  async connect(): Promise<Nfs3Client> {
    return Nfs3Client.connect({
      port: this.#nfs().port,
      uid: process.getuid?.() ?? 0,
      gid: process.getgid?.() ?? 0,
    });
  }

  async root(): Promise<Uint8Array> {
    const client = await this.connect();
    try {
      return await client.mount(this.#nfs().exportPath);
    } finally {
      await client.close();
    }
  }

  #nfs(): { readonly port: number; readonly exportPath: string } {
    return this.#mount?.nfs ?? assert.fail('the mount has no server');
  }

  async #sampleOften(): Promise<void> {
    while (!this.#isEnded) {
      await delay(sampleMs);
      const pid = this.#child?.pid;
      const sample = pid === undefined ? null : sampleOf(pid);
      if (sample !== null) this.samples.push(sample);
    }
  }

  async close(): Promise<void> {
    this.#isEnded = true;
    if (this.#child !== null) await this.#line.end(this.#child, 'SIGTERM');
    await this.hub.close();
    if (process.env['HUBDRIVE_SOAK_KEEP'] === undefined) await this.#line.close();
    else process.stdout.write(`everything is kept in ${this.#line.dir}\n`);
  }
}

/** Null where the system does not tell (no Linux) or the process is gone. */
function sampleOf(pid: number): Sample | null {
  try {
    const rssKiB = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    const descriptors = readdirSync(`/proc/${pid}/fd`).length;
    return rssKiB === undefined
      ? null
      : { atMs: performance.now(), pid, rssBytes: Number(rssKiB) * 1024, descriptors };
  } catch {
    return null; // killed between two looks
  }
}
