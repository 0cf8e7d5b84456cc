// Lets a thread of ours stand back behind the one that serves, where the system has priorities of threads (Linux). Used by threads that
// prepare uploads: a program that waits for its file is worth more than a second earlier on the Hub.

import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

const standBackNice = 10;

/** Lowers the calling thread; does nothing where that is not possible. */
export function standBack(): void {
  if (process.platform !== 'linux') return;
  try {
    // `PID/task/TID`. On Linux the id of a thread names it alone (setpriority(2), "NOTES").
    const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
    if (Number.isSafeInteger(thread) && thread > 1 && thread !== process.pid)
      setPriority(thread, Math.max(standBackNice, getPriority()));
  } catch {
    // No /proc, or not allowed: it works as well, only less politely.
  }
}
