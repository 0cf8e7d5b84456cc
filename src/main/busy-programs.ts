// Runs busy-scan.ts in a child with a deadline and reads what it found. Linux only; macOS asks lsof.

import { fileURLToPath } from 'node:url';
import { integer, list, object, text } from '../shared/arguments.ts';
import type { BusyProgram } from '../shared/model.ts';
import type { RunCommand } from './command-runner.ts';

const scanDeadlineMs = 8_000;
const scanPath = fileURLToPath(import.meta.url).replace(/busy-programs\.(ts|js)$/, 'busy-scan.$1');
const parsePrograms = list(object({ pid: integer(1, 2 ** 31), name: text(256) }), 100);

/** An empty list means that nothing could be seen: processes of other users are hidden from us. */
export function createBusyFinder(run: RunCommand) {
  return async (mountPoint: string, signal: AbortSignal): Promise<readonly BusyProgram[]> => {
    const result = await run(process.execPath, [scanPath, mountPoint], {
      deadlineMs: scanDeadlineMs,
      signal,
      env: { ELECTRON_RUN_AS_NODE: '1', NODE_NO_WARNINGS: '1' },
    });
    return result.code === 0 ? parsePrograms(JSON.parse(result.stdout), 'programs') : [];
  };
}
