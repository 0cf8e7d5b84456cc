// nfs-ganesha with its VFS back end over a folder in memory, as it comes from Debian, with transfers of up to 1 MiB. It needs root and
// registers with rpcbind, which is started for it where none runs.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endChild } from '../child.ts';
import type { ServerAddress } from '../load/load-target.ts';
import type { BenchWorld } from '../world.ts';

const rpcbindSocket = '/run/rpcbind.sock';
const startMs = 30_000;
const programDirs = ['/usr/sbin', '/usr/bin', '/usr/local/bin'];

export interface Ganesha {
  readonly address: ServerAddress;
  readonly pid: number;
  /** The exported folder. */
  readonly folder: string;
}

/** A text says why it cannot run and the command that helps. */
export async function startGanesha(world: BenchWorld): Promise<Ganesha | string> {
  const program = findProgram('ganesha.nfsd');
  if (program === null || !hasVfs()) {
    return 'nfs-ganesha is not installed (sudo apt-get install nfs-ganesha nfs-ganesha-vfs)';
  }
  if (process.getuid?.() !== 0) return 'nfs-ganesha needs root (sudo npm run bench)';
  await ensureRpcbind(world);
  const folder = await world.memoryFolder();
  const stateDir = await world.folder();
  const [port, mountPort] = [await freePort(), await freePort()];
  const logPath = join(stateDir, 'log');
  await writeFile(join(stateDir, 'ganesha.conf'), configuration(folder, port, mountPort));
  const words = ['-F', '-f', join(stateDir, 'ganesha.conf'), '-p', join(stateDir, 'pid'), '-L', logPath];
  const child = spawn(program, words, { stdio: 'ignore' });
  world.track({ close: () => endChild(child) });
  await started(child, logPath);
  return { address: { port, mountPort, exportPath: folder }, pid: child.pid ?? 0, folder };
}

function findProgram(name: string): string | null {
  return programDirs.map((dir) => join(dir, name)).find((path) => existsSync(path)) ?? null;
}

function hasVfs(): boolean {
  const triples = ['x86_64-linux-gnu', 'aarch64-linux-gnu'];
  return triples.some((triple) => existsSync(`/usr/lib/${triple}/ganesha/libfsalvfs.so`));
}

function configuration(folder: string, port: number, mountPort: number): string {
  return `NFS_CORE_PARAM {
  NFS_Port = ${port}; MNT_Port = ${mountPort}; Bind_addr = 127.0.0.1; Protocols = 3; mount_path_pseudo = false;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false;
}
NFSV4 { Graceless = true; RecoveryBackend = fs_ng; }
EXPORT {
  Export_Id = 1; Path = ${folder}; Pseudo = /bench; Access_Type = RW; Squash = None; SecType = sys; Protocols = 3; Transports = TCP;
  MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576; PrefWrite = 1048576;
  FSAL { Name = VFS; }
}
LOG { Default_Log_Level = EVENT; }
`;
}

async function ensureRpcbind(world: BenchWorld): Promise<void> {
  if (await answers(rpcbindSocket)) return;
  const program = findProgram('rpcbind');
  if (program === null) return;
  // Not with -h: rpcbind 1.2.6 of Debian aborts with it.
  const child = spawn(program, ['-f'], { stdio: 'ignore' });
  world.track({ close: () => endChild(child) });
  const until = performance.now() + startMs;
  while (!(await answers(rpcbindSocket)) && performance.now() < until) await delay(50);
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function started(child: ChildProcess, logPath: string): Promise<void> {
  const until = performance.now() + startMs;
  for (;;) {
    const log = await readFile(logPath, 'utf8').catch(() => '');
    if (log.includes('NFS SERVER INITIALIZED')) return;
    if (child.exitCode !== null || performance.now() > until) {
      throw new Error(`nfs-ganesha did not start: ${log.split('\n').slice(-4).join('\n')}`);
    }
    await delay(50);
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
