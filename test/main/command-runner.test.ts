import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, open, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createBusyFinder, nodeScripts } from '../../src/main/system/busy-programs.ts';
import { runCommand } from '../../src/main/system/command-runner.ts';

test('a command’s output and exit code come back', async () => {
  const result = await runCommand('sh', ['-c', 'echo out; echo err >&2; exit 3'], { deadlineMs: 10_000 });
  assert.deepEqual(result, { code: 3, stdout: 'out\n', stderr: 'err\n', ended: 'exited' });
});

test('a command past its deadline is killed with its children', async () => {
  const startedAt = performance.now();
  const result = await runCommand('sh', ['-c', 'sleep 60 & wait'], { deadlineMs: 100 });
  assert.equal(result.ended, 'deadline');
  assert.ok(performance.now() - startedAt < 5000);
});

test('an abort kills the command, also one that came before the start', async () => {
  const abort = new AbortController();
  const running = runCommand('sleep', ['60'], { deadlineMs: 60_000, signal: abort.signal });
  abort.abort();
  assert.equal((await running).ended, 'aborted');
  assert.equal(
    (await runCommand('sleep', ['60'], { deadlineMs: 60_000, signal: abort.signal })).ended,
    'aborted',
  );
});

test('a program that does not exist is told apart', async () => {
  assert.equal((await runCommand('/no/such/program', [], { deadlineMs: 1000 })).ended, 'not-found');
});

test('children see no tokens of the environment', async () => {
  process.env['HF_TOKEN'] = 'hf_test_value';
  try {
    const { stdout } = await runCommand('env', [], { deadlineMs: 10_000 });
    assert.doesNotMatch(stdout, /HF_TOKEN/);
    assert.match(stdout, /LC_ALL=C/);
  } finally {
    delete process.env['HF_TOKEN'];
  }
});

test(
  'programs that hold a file or their working directory below a folder are found by name',
  { skip: process.platform !== 'linux' },
  async () => {
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'hubdrive-busy-')));
    const file = await open(join(dir, 'held'), 'w');
    const inside = spawn('sleep', ['60'], { cwd: dir, stdio: 'ignore' });
    try {
      const programs = await createBusyFinder(nodeScripts(runCommand))(dir, new AbortController().signal);
      const pids = programs.map((program) => program.pid);
      assert.ok(pids.includes(process.pid), 'the open file was not seen');
      assert.ok(pids.includes(inside.pid ?? 0), 'the working directory was not seen');
      assert.equal(programs.find((program) => program.pid === inside.pid)?.name, 'sleep');
    } finally {
      inside.kill();
      await file.close();
      await rm(dir, { recursive: true });
    }
  },
);
