// Puts an NFSv3 server together over a FileSystem: handles, MOUNT, NFS and the TCP side. The only entry for the host.

import type { Clock, Log } from '../shared/log.ts';
import type { FileSystem } from '../vfs/file-system.ts';
import { DuplicateCache } from './duplicate-cache.ts';
import { FileHandles } from './file-handle.ts';
import { Mount3Program } from './mount3-program.ts';
import type { FailureCounters, NfsActivity } from './nfs3-context.ts';
import { Nfs3Program } from './nfs3-program.ts';
import { RpcDispatcher } from './rpc-dispatcher.ts';
import { RpcServer, type RpcServerStats } from './rpc-server.ts';

export interface NfsServerOptions {
  readonly fileSystem: FileSystem;
  readonly activity: NfsActivity;
  readonly host: string;
  /** 0: any free one (tests). Clients reconnect to the same, so a mount keeps its port. */
  readonly port: number;
  /** What MNT must name exactly, with its leading slash; secret. */
  readonly exportPath: string;
  /** 32 bytes, the same for the life of a mount and across restarts. */
  readonly handleKey: Uint8Array;
  /** Only this uid and root are served. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** 'kernel': on Linux only the kernel's client may connect. */
  readonly peers: 'kernel' | 'any';
  readonly log: Log;
  readonly clock: Clock;
  /** See RpcServerOptions. */
  readonly receivesDirectly?: boolean;
}

export interface NfsServerStats extends RpcServerStats {
  /** Calls by procedure name. */
  readonly requests: Readonly<Record<string, number>>;
  /** Calls whose arguments could not be decoded. */
  readonly garbage: number;
  readonly refusedCredentials: number;
  readonly mounts: number;
  readonly refusedMounts: number;
  /** Retransmissions that were not run again. */
  readonly duplicates: number;
  readonly stale: number;
  readonly jukebox: number;
  /** Failures that nobody foresaw; each is in the log with its stack. */
  readonly unexpected: number;
}

export interface NfsServer {
  readonly port: number;
  /** MNT is refused unless the window is open; it starts closed. */
  openMountWindow(): void;
  closeMountWindow(): void;
  stats(): NfsServerStats;
  /** Answers what is under way, then closes all connections. Call it after the system mount is gone. */
  close(): Promise<void>;
}

/** Rejects where the port is taken. */
export async function startNfsServer(options: NfsServerOptions): Promise<NfsServer> {
  const { fileSystem, activity, clock, log, owner } = options;
  const handles = new FileHandles(options.handleKey, fileSystem.generation);
  const counters: FailureCounters = { stale: 0, jukebox: 0, unexpected: 0 };
  const nfs = new Nfs3Program({ fileSystem, handles, activity, clock, log, counters });
  const mount = new Mount3Program({
    handles,
    rootIno: fileSystem.rootIno,
    exportPath: options.exportPath,
    clock,
    log,
  });
  const duplicates = new DuplicateCache(clock);
  const dispatcher = new RpcDispatcher({
    programs: [nfs, mount],
    duplicates,
    admits: (uid) => uid === owner.uid || uid === 0,
    log,
  });
  const server = await RpcServer.listen({
    dispatcher,
    host: options.host,
    port: options.port,
    peers: options.peers,
    log,
    clock,
    ...(options.receivesDirectly === undefined ? {} : { receivesDirectly: options.receivesDirectly }),
  });
  const { port } = server;
  return {
    port,
    openMountWindow: () => mount.openWindow(),
    closeMountWindow: () => mount.closeWindow(),
    stats: () => ({
      ...server.stats(),
      requests: nfs.requests(),
      garbage: dispatcher.garbage,
      refusedCredentials: dispatcher.refusedCredentials,
      mounts: mount.mounts,
      refusedMounts: mount.refusedMounts,
      duplicates: duplicates.hits,
      ...counters,
    }),
    close: () => server.close(),
  };
}
