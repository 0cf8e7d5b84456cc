// Runs busy-scan.ts in a child with a deadline and reads what it found. Linux only; macOS asks lsof.

import { fileURLToPath } from 'node:url';
import { integer, list, object, text } from '../../shared/arguments.ts';
import type { BusyProgram } from '../../shared/model.ts';
import type { CommandOptions, CommandResult, RunCommand } from './command-runner.ts';

const scanDeadlineMs = 8_000;
const scanPath = fileURLToPath(import.meta.url).replace(/busy-programs\.(ts|js)$/, 'busy-scan.$1');
const parsePrograms = list(object({ pid: integer(1, 2 ** 31), name: text(256) }), 100);

/** Runs a JavaScript file of ours in a process of its own, which dies with the deadline or the signal. */
export type RunScript = (
  path: string,
  parameters: readonly string[],
  options: CommandOptions,
) => Promise<CommandResult>;

/** For processes that are Node. The packaged desktop app is not, and brings another way. */
export function nodeScripts(run: RunCommand): RunScript {
  return (path, parameters, options) => run(process.execPath, [path, ...parameters], options);
}

/** An empty list means that nothing could be seen: processes of other users are hidden from us. */
export function createBusyFinder(runScript: RunScript) {
  return async (mountPoint: string, signal: AbortSignal): Promise<readonly BusyProgram[]> => {
    const result = await runScript(scanPath, [mountPoint], {
      deadlineMs: scanDeadlineMs,
      signal,
      env: { NODE_NO_WARNINGS: '1' },
    });
    return result.code === 0 ? parsePrograms(JSON.parse(result.stdout), 'programs') : [];
  };
}
