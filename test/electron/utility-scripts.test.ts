import './stand-in/register.ts';
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBusyFinder } from '../../src/main/system/busy-programs.ts';

const { runUtilityScript } = await import('../../src/main/electron/utility-scripts.ts');

test('busy programs are found by a utility process', { skip: process.platform !== 'linux' }, async (t) => {
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-busy-')));
  t.after(() => rm(dir, { recursive: true }));
  const child = spawn('sleep', ['60'], { cwd: dir });
  await once(child, 'spawn');
  t.after(() => child.kill());
  const programs = await createBusyFinder(runUtilityScript)(dir, new AbortController().signal);
  assert.deepEqual(
    programs.map(({ pid }) => pid),
    [child.pid],
  );
});

test('a script that hangs dies with its deadline, or when it is called off', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'hubdrive-script-'));
  t.after(() => rm(dir, { recursive: true }));
  const path = join(dir, 'hang.mjs');
  await writeFile(path, 'setInterval(() => undefined, 1000);');
  assert.equal((await runUtilityScript(path, [], { deadlineMs: 200 })).ended, 'deadline');
  const calledOff = new AbortController();
  const run = runUtilityScript(path, [], { deadlineMs: 60_000, signal: calledOff.signal });
  calledOff.abort();
  assert.equal((await run).ended, 'aborted');
});
