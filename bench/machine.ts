// What a figure depends on besides the program: machine, load and versions, for the head of every report.

import { execFileSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type as systemName } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  readonly node: string;
  /** Of this source; `+` when it is changed. */
  readonly commit: string;
  readonly ganesha: string | null;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryBytes: totalmem(),
    system: `${systemName()} ${release()} ${process.arch}`,
    node: process.version,
    commit: `${firstLine('git', ['rev-parse', '--short', 'HEAD']) ?? 'unknown'}${
      firstLine('git', ['status', '--porcelain', '--untracked-files=no']) === null ? '' : '+'
    }`,
    ganesha: firstLine('ganesha.nfsd', ['-v']),
  };
}

/** Programs wanting to run, over the last minute. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

function firstLine(command: string, args: readonly string[]): string | null {
  try {
    const out = execFileSync(command, args, {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return out.split('\n')[0]?.trim() || null;
  } catch {
    return null; // not installed, or no checkout
  }
}
