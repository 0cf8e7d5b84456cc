// The servers that the rows of the serving path compare, each in its own process with the same files on it, and the load generator
// connected to each.

import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchChild } from '../child.ts';
import { generate } from '../content.ts';
import { LoadTarget, type ServerAddress } from '../load/load-target.ts';
import type { OpenGroup } from '../row.ts';
import type { BenchWorld } from '../world.ts';
import { nameOfEntry, smallContent } from './hub-folders-child.ts';
import { startGanesha } from './ganesha.ts';

const ceilingModule = new URL('./ceiling-child.ts', import.meta.url);
const hubFoldersModule = new URL('./hub-folders-child.ts', import.meta.url);
const bucket = 'demo/bench';

export interface Subject {
  readonly name: 'hubdrive' | 'ceiling' | 'ganesha';
  readonly target: LoadTarget;
  readonly pid: number;
}

export interface SubjectFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly seed: number;
}

export interface SubjectsOptions {
  /** In the root of each subject from the start. */
  readonly files: readonly SubjectFile[];
  /** Also there, each with so many files of 16 bytes. */
  readonly folders?: readonly { readonly name: string; readonly entries: number }[];
}

export interface Subjects {
  readonly all: readonly Subject[];
  readonly load: BenchChild;
  readonly missing: NonNullable<OpenGroup['missing']>;
}

export async function openSubjects(world: BenchWorld, options: SubjectsOptions): Promise<Subjects> {
  const load = world.startChild();
  const all: Subject[] = [];
  const missing: { readonly subject: string; readonly why: string }[] = [];
  const add = async (name: Subject['name'], pid: number, address: ServerAddress): Promise<void> => {
    all.push({ name, pid, target: await LoadTarget.open(load, address) });
  };
  const ceiling = world.startChild();
  const fileBytes = options.files[0]?.sizeBytes ?? 0;
  const port = await ceiling.call<number>(ceilingModule, 'listen', { fileBytes });
  await add('ceiling', ceiling.pid, { port, exportPath: '/' });
  const ganesha = world.without.includes('ganesha') ? 'left out' : await startGanesha(world);
  if (typeof ganesha === 'string') missing.push({ subject: 'ganesha', why: ganesha });
  else {
    for (const file of options.files) {
      await writeFile(join(ganesha.folder, file.path), generate('random', file.sizeBytes, file.seed));
    }
    for (const folder of options.folders ?? []) fillFolder(join(ganesha.folder, folder.name), folder.entries);
    await add('ganesha', ganesha.pid, ganesha.address);
  }
  const hub = await world.startHub();
  await hub.put([
    { bucket, path: 'readme', sizeBytes: 16, kind: 'random', seed: 1 },
    ...options.files.map((file) => ({ bucket, kind: 'random' as const, ...file })),
  ]);
  for (const folder of options.folders ?? []) {
    await hub.child.call(hubFoldersModule, 'putFolder', { bucket, ...folder });
  }
  const host = await world.startHost(hub);
  const source = `bucket/${bucket}`;
  const served = await host.mount(source);
  // What is written stays local: its upload is another row's business.
  await host.pauseUploads(source);
  await add('hubdrive', host.pid, served);
  return { all, load, missing };
}

/** Runs `work` with all processes on one processor: a call then costs the path through the server and no wake-up of a processor. */
export async function onOneProcessor<T>(pids: readonly number[], work: () => Promise<T>): Promise<T> {
  const isPinned = await setProcessors(pids, '0');
  try {
    return await work();
  } finally {
    if (isPinned) await setProcessors(pids, '0-1023');
  }
}

/** Whether the system could. */
async function setProcessors(pids: readonly number[], list: string): Promise<boolean> {
  const results = await Promise.all(
    pids.map(
      (pid) =>
        new Promise<boolean>((resolve) => {
          execFile('taskset', ['-acp', list, String(pid)], (error) => resolve(error === null));
        }),
    ),
  );
  return results.every(Boolean);
}

function fillFolder(path: string, entries: number): void {
  mkdirSync(path);
  for (let entry = 0; entry < entries; entry += 1)
    writeFileSync(join(path, nameOfEntry(entry)), smallContent);
}
