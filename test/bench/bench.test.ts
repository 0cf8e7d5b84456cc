// The bench itself: what it makes of figures, how it ends, and that a quick run of real rows works from end to end. Times nothing.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../../bench/report.ts';
import { verify, type BenchGroup, type BenchValue } from '../../bench/row.ts';
import { runGroup } from '../../bench/runner.ts';
import { collect, judge } from '../../bench/statistics.ts';

const program = fileURLToPath(new URL('../../bench/bench.ts', import.meta.url));

function value(subject: string, figure: number): BenchValue {
  return { metric: 'row', subject, unit: 'op/s', value: figure };
}

test('targets are judged by the median of the ratios run by run', () => {
  const series = collect([
    [value('hubdrive', 100), value('other', 10)],
    [value('hubdrive', 90), value('other', 30)],
    [value('hubdrive', 80), value('other', 20)],
  ]);
  const judged = judge(series, { metric: 'row', against: 'other', atLeast: 4 });
  assert.deepEqual(judged.summary, { median: 4, lowest: 3, highest: 10 });
  assert.equal(judged.isMet, true);
  assert.equal(judge(series, { metric: 'row', against: 'other', atLeast: 4.1 }).isMet, false);
  assert.equal(judge(series, { metric: 'row', atMost: 90 }).isMet, true);
  assert.equal(judge(series, { metric: 'row', atMost: 89 }).isMet, false);
  assert.equal(judge(series, { metric: 'row', against: 'absent', atLeast: 1 }).isMet, null);
  assert.equal(judge(series, { metric: 'another row', atLeast: 1 }).isMet, null);
});

const options = { runs: 3, isQuick: true, profileDir: null, without: [], progress: () => undefined };

function groupOf(run: () => Promise<BenchValue[]>, closed: () => void = () => undefined): BenchGroup {
  return {
    name: 'a group',
    targets: [{ metric: 'row', atMost: 3 }],
    open: () => Promise.resolve({ run, close: () => Promise.resolve(closed()) }),
  };
}

test('the first run is thrown away and all others count', async () => {
  let figure = 100;
  const result = await runGroup(
    groupOf(() => Promise.resolve([value('hubdrive', (figure = figure === 100 ? 1 : figure + 1))])),
    options,
  );
  assert.deepEqual(
    result.series.map((one) => one.values),
    [[2, 3, 4]],
  );
  assert.equal(result.runs.length, 4);
  assert.equal(result.verdicts[0]?.isMet, true);
  assert.equal(result.failure, null);
});

test('a wrong answer is told from a failure, and the group is closed after both', async () => {
  let closed = 0;
  const count = (): number => (closed += 1);
  const wrong = await runGroup(
    groupOf(
      () =>
        Promise.resolve()
          .then(() => verify(false, 'it is wrong'))
          .then(() => []),
      count,
    ),
    options,
  );
  assert.match(wrong.failure ?? '', /it is wrong/);
  assert.equal(wrong.isWrong, true);
  assert.equal(wrong.verdicts[0]?.isMet, null);
  const failed = await runGroup(
    groupOf(() => Promise.reject(new Error('it broke')), count),
    options,
  );
  assert.match(failed.failure ?? '', /it broke/);
  assert.equal(failed.isWrong, false);
  assert.equal(closed, 2);
});

test('what cannot be measured here says so and fails nothing', async () => {
  const group: BenchGroup = {
    name: 'elsewhere',
    targets: [{ metric: 'row', atLeast: 1 }],
    open: () => Promise.resolve({ unavailable: 'not installed' }),
  };
  const result = await runGroup(group, options);
  assert.equal(result.unavailable, 'not installed');
  assert.equal(result.failure, null);
  assert.equal(result.verdicts[0]?.isMet, null);
});

test('a quick run of the warm reads verifies them and writes every figure down', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'hubdrive-bench-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const json = join(dir, 'report.json');
  const words = ['--quick', '--runs', '1', '--rows', '^warm reads$', '--without', 'ganesha', '--json', json];
  const out = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', program, ...words],
      (error, text) => {
        if (error === null) resolve(text);
        else reject(new Error(text, { cause: error }));
      },
    );
  });
  assert.match(out, /READ 1 MiB depth 8 +ceiling/);
  assert.match(out, /without ganesha: left out/);
  assert.match(out, /quick run/);
  const report = JSON.parse(await readFile(json, 'utf8')) as Report;
  assert.equal(report.groups.length, 1);
  const [group] = report.groups;
  assert.equal(group?.failure, null);
  assert.equal(group?.runs.length, 2);
  for (const one of group?.series ?? [])
    assert.ok(
      one.values.every((figure) => figure > 0),
      one.metric,
    );
  assert.ok(
    group?.series.some((one) => one.subject === 'hubdrive' && one.metric === 'READ 4 KiB random depth 16'),
  );
});
