// Lets processes of the benchmark that are on other machines in life run only where no other wants the processor.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Puts all threads of the processes, and those they start later, into the class SCHED_IDLE (sched(7)). Rejects where the system has
 * no such class or no `chrt`.
 */
export async function standBack(pids: readonly number[]): Promise<void> {
  for (const pid of pids) await run('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)]);
}
