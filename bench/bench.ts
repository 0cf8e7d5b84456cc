// `npm run bench`: runs the rows and prints what they say. Exits with 0 also when targets are missed, with 1 when something failed or
// answered wrongly, with 2 for wrong arguments.

import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { groups } from './groups.ts';
import { describeMachine, load } from './machine.ts';
import { describeEnd, describeGroup, describeMachineLines, type Report } from './report.ts';
import type { BenchGroup } from './row.ts';
import { runGroup, type GroupResult } from './runner.ts';

const usage =
  'Usage: npm run bench [-- --rows PATTERN] [--runs N] [--json FILE] [--quick] [--profile DIR] [--without LIST] [--list]\n' +
  '  --rows PATTERN  only groups whose name matches this regular expression\n' +
  '  --runs N        counted runs of each group, 7 by default\n' +
  '  --json FILE     every figure of every run\n' +
  '  --quick         small files and 2 runs: shows that everything works\n' +
  '  --profile DIR   CPU profiles of the host’s threads\n' +
  '  --without LIST  subjects to leave out, such as ganesha\n' +
  '  --list          names of the groups\n';

interface Arguments {
  readonly isList: boolean;
  readonly chosen: readonly BenchGroup[];
  readonly runs: number;
  readonly jsonPath: string | null;
  readonly isQuick: boolean;
  readonly profileDir: string | null;
  readonly without: readonly string[];
}

function readArguments(args: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rows: { type: 'string', default: '' },
      runs: { type: 'string' },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      profile: { type: 'string' },
      without: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
    },
  });
  const pattern = new RegExp(values.rows, 'i');
  const chosen = groups.filter((group) => pattern.test(group.name));
  if (chosen.length === 0) throw new Error(`no group matches "${values.rows}"; --list names them`);
  const runs = Number(values.runs ?? (values.quick ? 2 : 7));
  if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs "${values.runs}" is not a number of runs`);
  const profileDir = values.profile === undefined ? null : resolve(values.profile);
  return {
    isList: values.list,
    chosen,
    runs,
    jsonPath: values.json ?? null,
    isQuick: values.quick,
    profileDir,
    without: values.without.split(','),
  };
}

async function bench({ chosen, runs, jsonPath, isQuick, profileDir, without }: Arguments): Promise<number> {
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  const loadBefore = load();
  process.stdout.write(describeMachineLines({ machine, isQuick }));
  const results: GroupResult[] = [];
  for (const group of chosen) {
    const progress = (text: string): void => {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${text}`);
    };
    const result = await runGroup(group, { runs, isQuick, profileDir, without, progress });
    if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
    process.stdout.write(describeGroup(result));
    results.push(result);
  }
  const report: Report = { machine, startedAt, loadBefore, loadAfter: load(), isQuick, groups: results };
  process.stdout.write(describeEnd(report));
  if (jsonPath !== null) await writeFile(jsonPath, `${JSON.stringify(report, null, 1)}\n`);
  return results.some((result) => result.failure !== null) ? 1 : 0;
}

async function main(): Promise<number> {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  let options: Arguments;
  try {
    options = readArguments(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return 2;
  }
  if (!options.isList) return bench(options);
  process.stdout.write(options.chosen.map((group) => `${group.name}\n`).join(''));
  return 0;
}

process.exitCode = await main();
