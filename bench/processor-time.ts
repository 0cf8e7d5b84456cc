// Processor time of another process, from Linux. More robust than wall time on a machine that others use too.

import { readdir, readFile } from 'node:fs/promises';

/** Time that the threads of a process have run so far, nanoseconds; null where the system does not tell. Threads that ended are missing. */
export async function processorNs(pid: number): Promise<number | null> {
  try {
    const threads = await readdir(`/proc/${pid}/task`);
    const texts = await Promise.all(
      threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').catch(() => '0')),
    );
    return texts.reduce((sum, text) => sum + Number(text.split(' ')[0]), 0);
  } catch {
    return null; // no Linux
  }
}
