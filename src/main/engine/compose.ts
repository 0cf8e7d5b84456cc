// Puts one mount's engine together: Hub client, VirtualFs and NFS server. Runs inside the engine thread.

import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import type { RemoteStore } from '../../hub/remote-store.ts';
import { startNfsServer } from '../../nfs/nfs-server.ts';
import { VirtualFs } from '../../vfs/virtual-fs.ts';
import { loadHandleKey } from '../system/secrets.ts';
import type { EngineSpec } from './engine.ts';
import { settleConflict } from './settle-conflict.ts';
import type { EngineSurroundings, OpenedFileSystem, OpenFileSystem } from './engine-runtime.ts';

export type OpenRemote = (
  spec: EngineSpec,
  stateDir: string,
  surroundings: EngineSurroundings,
  signal: AbortSignal,
) => Promise<RemoteStore>;

export function fileSystemOver(openRemote: OpenRemote): OpenFileSystem {
  return async (spec, surroundings, signal) => {
    await mkdir(spec.dataDir, { recursive: true, mode: 0o700 });
    const handleKey = await loadHandleKey(spec.dataDir);
    const remote = await openRemote(spec, join(spec.dataDir, 'hub'), surroundings, signal);
    try {
      const fileSystem = await VirtualFs.open({
        remote,
        dataDir: spec.dataDir,
        cacheDir: spec.cacheDir,
        cacheLimitBytes: spec.cacheLimitBytes,
        pollIntervalMs: spec.pollIntervalMs,
        owner: spec.owner,
        readOnly: spec.readOnly,
        hostName: spec.hostName,
        clock: surroundings.clock,
        log: surroundings.log,
        // Mac programs expect names to be found in any case.
        foldCase: process.platform === 'darwin',
      });
      return opened(spec, remote, fileSystem, handleKey, surroundings);
    } catch (error) {
      await remote.close();
      throw error;
    }
  };
}

function opened(
  spec: EngineSpec,
  remote: RemoteStore,
  fileSystem: VirtualFs,
  handleKey: Uint8Array,
  { clock, log }: EngineSurroundings,
): OpenedFileSystem {
  const { name, identifier, writable } = remote.info;
  return {
    source: { name, identifier, writable },
    uploads: fileSystem.uploads,
    counters: () => fileSystem.counters(),
    drainActivity: () => fileSystem.activity.drain(),
    isOnline: () => fileSystem.status().online,
    damage: fileSystem.status().damage,
    settleConflict: (settlement) => settleConflict(fileSystem, settlement),
    listen: (options) =>
      startNfsServer({
        fileSystem,
        activity: fileSystem.activity,
        host: options.host,
        port: options.port,
        exportPath: options.exportPath,
        handleKey,
        owner: spec.owner,
        peers: options.peers,
        log,
        clock,
      }),
    close: async () => {
      await fileSystem.close();
      await remote.close();
    },
  };
}
