// A process of its own with the real engine (Hub client, VirtualFs, NFS server) over a data directory, told by its parent what to
// do and at which step to kill itself. Started by engine-child.ts only.

import { flushCompileCache } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import { parseSource } from '../../src/hub/source.ts';
import { openHubStore } from '../../src/hub/hub-store.ts';
import type { RemoteStore } from '../../src/hub/remote-store.ts';
import { startNfsServer, type NfsServer } from '../../src/nfs/nfs-server.ts';
import { systemClock, type Log } from '../../src/shared/log.ts';
import { VirtualFs } from '../../src/vfs/virtual-fs.ts';
import { nodeDisk } from '../../src/vfs/storage/staging-disk.ts';
import type { EngineAnswer, ToldEvent, ToEngineProcess } from './engine-protocol.ts';
import { KillSwitch } from './kill-switch.ts';
import { SmallDisk } from './small-disk.ts';

export interface EngineConfig {
  readonly dataDir: string;
  readonly cacheDir: string;
  readonly endpoint: string;
  readonly source: string;
  /** 0 at the first start. */
  readonly port: number;
  readonly exportPath: string;
  readonly handleKey: string;
  /** Halves the time of the many restarts. */
  readonly compileCacheDir: string;
}

/** Quiet this long: what follows a reply (merging, unlinking, recording) is over. */
const quietRounds = 8;
const roundMs = 5;

class EngineProcess {
  readonly #kill = new KillSwitch();
  readonly #disk = new SmallDisk(nodeDisk);
  readonly #told: ToldEvent[] = [];
  #remote: RemoteStore | null = null;
  #fileSystem: VirtualFs | null = null;
  #server: NfsServer | null = null;

  async perform(message: ToEngineProcess): Promise<unknown> {
    switch (message.type) {
      case 'open':
        this.#kill.arm(message.killAt);
        return this.#open(message.config);
      case 'arm':
        this.#kill.arm(message.killAt);
        return null;
      case 'survey':
        return this.#kill.survey();
      case 'flush':
        await this.#opened().uploads.flush();
        return null;
      case 'refresh':
        await this.#opened().refresh();
        return null;
      case 'pause':
        this.#opened().uploads.pause();
        return null;
      case 'pending':
        return this.#opened().uploads.pending();
      case 'settle':
        await this.#settle();
        return null;
      case 'room':
        this.#disk.freeBytes = message.freeBytes;
        this.#kill.isCatalogueFull = message.isCatalogueFull ?? false;
        return null;
      case 'events':
        for (const { kind, path, detail } of this.#opened().activity.drain().events) {
          this.#told.push({ kind, path, detail: detail ?? '' });
        }
        return this.#told.splice(0);
      case 'close':
        await this.#server?.close();
        await this.#fileSystem?.close();
        await this.#remote?.close();
        return null;
    }
  }

  async #open(config: EngineConfig): Promise<number> {
    const log = this.#log();
    this.#kill.watchRequests();
    this.#remote = await openHubStore({
      endpoint: config.endpoint,
      token: () => Promise.resolve(process.env['HF_TOKEN'] ?? null),
      source: parseSource(config.source),
      stateDir: `${config.dataDir}/hub`,
      log,
      userAgent: 'hubdrive-crash-test',
      codecs: 'inline',
    });
    const owner = { uid: 1000, gid: 1000 };
    this.#fileSystem = await VirtualFs.open({
      remote: this.#kill.watchUploads(this.#remote),
      dataDir: config.dataDir,
      cacheDir: config.cacheDir,
      cacheLimitBytes: 1 << 30,
      owner,
      hostName: 'crash',
      clock: systemClock,
      log,
      disk: this.#kill.watchDisk(this.#disk.calls),
      wrapDatabase: (database) => this.#kill.watchDatabase(database),
    });
    this.#server = await startNfsServer({
      fileSystem: this.#fileSystem,
      activity: this.#fileSystem.activity,
      host: '127.0.0.1',
      port: config.port,
      exportPath: config.exportPath,
      handleKey: Buffer.from(config.handleKey, 'hex'),
      owner,
      peers: 'any',
      log,
      clock: systemClock,
    });
    this.#server.openMountWindow();
    // Node writes it at the end, which never comes to a process that is killed.
    flushCompileCache();
    return this.#server.port;
  }

  async #settle(): Promise<void> {
    let quiet = 0;
    for (let seen = -1; quiet < quietRounds; quiet += 1) {
      await delay(roundMs);
      if (this.#kill.total === seen) continue;
      seen = this.#kill.total;
      quiet = 0;
    }
  }

  #opened(): VirtualFs {
    if (this.#fileSystem === null) throw new Error('not open');
    return this.#fileSystem;
  }

  #log(): Log {
    const tell = (kind: string, message: string, fields?: unknown, cause?: unknown): void => {
      const detail = `${message} ${JSON.stringify(fields ?? {})}${cause instanceof Error ? ` ${cause.stack}` : ''}`;
      this.#told.push({ kind, path: '', detail });
      if (process.env['HUBDRIVE_CRASH_LOG'] !== undefined) process.stderr.write(`${kind} ${detail}\n`);
    };
    return {
      debug: () => undefined,
      info: () => undefined,
      warn: (message, fields) => tell('warn', message, fields),
      error: (message, fields, cause) => tell('error', message, fields, cause),
    };
  }
}

const engine = new EngineProcess();
// Nobody is left to tell it what to do.
process.on('disconnect', () => setTimeout(() => process.exit(1), 5000).unref());
process.on('message', (message: { readonly id: number; readonly order: ToEngineProcess }) => {
  const answer = (error: string | null, value: unknown): void => {
    process.send?.({ id: message.id, error, value } satisfies EngineAnswer);
    if (message.order.type === 'close') process.disconnect();
  };
  engine.perform(message.order).then(
    (value) => answer(null, value ?? null),
    (error: unknown) => answer(error instanceof Error ? (error.stack ?? error.message) : String(error), null),
  );
});
