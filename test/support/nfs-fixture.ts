// Starts an NFS server over a FileSystem for one test, with what the test wants to see of it; all is closed afterwards.

import type { TestContext } from 'node:test';
import type { NfsActivity } from '../../src/nfs/nfs3-context.ts';
import { startNfsServer, type NfsServer, type NfsServerOptions } from '../../src/nfs/nfs-server.ts';
import { silentLog, systemClock, type Log } from '../../src/shared/log.ts';
import type { FileSystem } from '../../src/vfs/file-system.ts';
import { Nfs3Client } from './nfs-client.ts';
import { type RpcClientOptions } from './rpc-client.ts';

export const testExportPath = '/5f1c0a7e9d2b4c68';
export const testHandleKey = Buffer.alloc(32, 7);

export interface RecordedActivity {
  readonly kind: string;
  /** An inode number or a path. */
  readonly object: number | string;
  readonly bytes?: number | undefined;
  readonly offset?: number | undefined;
  readonly toPath?: string | undefined;
  readonly detail?: string | undefined;
}

export class ActivityRecorder implements NfsActivity {
  readonly events: RecordedActivity[] = [];

  recordInode(
    kind: string,
    ino: number,
    offset: number,
    bytes: number,
    _durationMs: number,
    detail?: string,
  ): void {
    this.events.push({ kind, object: ino, offset, bytes, detail });
  }

  record(kind: string, path: string, details: { toPath?: string; detail?: string } = {}): void {
    this.events.push({ kind, object: path, toPath: details.toPath, detail: details.detail });
  }

  of(kind: string): readonly RecordedActivity[] {
    return this.events.filter((event) => event.kind === kind);
  }
}

export class LogRecorder implements Log {
  readonly lines: { readonly level: string; readonly message: string; readonly cause?: unknown }[] = [];
  debug(message: string): void {
    this.lines.push({ level: 'debug', message });
  }
  info(message: string): void {
    this.lines.push({ level: 'info', message });
  }
  warn(message: string): void {
    this.lines.push({ level: 'warn', message });
  }
  error(message: string, _fields?: unknown, cause?: unknown): void {
    this.lines.push({ level: 'error', message, cause });
  }
}

export interface NfsFixture {
  readonly server: NfsServer;
  readonly activity: ActivityRecorder;
  /** Closed with the test. */
  connect(options?: Partial<RpcClientOptions>): Promise<Nfs3Client>;
  /** A connected client and the root's handle. */
  mounted(): Promise<{ client: Nfs3Client; root: Uint8Array }>;
  close(): Promise<void>;
}

/** With the mount window open and any peer admitted. */
export async function serveNfs(
  context: TestContext,
  fileSystem: FileSystem,
  options: Partial<NfsServerOptions> = {},
): Promise<NfsFixture> {
  const activity = new ActivityRecorder();
  const server = await startNfsServer({
    fileSystem,
    activity,
    host: '127.0.0.1',
    port: 0,
    exportPath: testExportPath,
    handleKey: testHandleKey,
    owner: { uid: 1000, gid: 1000 },
    peers: 'any',
    log: silentLog,
    clock: systemClock,
    ...options,
  });
  server.openMountWindow();
  const clients: Nfs3Client[] = [];
  let isClosed = false;
  const fixture: NfsFixture = {
    server,
    activity,
    async connect(clientOptions = {}) {
      const client = await Nfs3Client.connect({ port: server.port, ...clientOptions });
      clients.push(client);
      return client;
    },
    async mounted() {
      const client = await fixture.connect();
      return { client, root: await client.mount(options.exportPath ?? testExportPath) };
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      for (const client of clients) await client.close();
      await server.close();
    },
  };
  context.after(() => fixture.close());
  return fixture;
}
