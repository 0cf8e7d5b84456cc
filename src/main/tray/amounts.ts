// Numbers as the tray, the dialogs and the notifications say them in English. Pure; the panel has its own words.

import { formatBytes } from '../../shared/bytes.ts';

export function sayCount(count: number, one: string, many: string): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** Local changes that are not on the Hub: `3 changes (1.2 MB)`. */
export function sayUnsent({ files, bytes }: { readonly files: number; readonly bytes: number }): string {
  const changes = sayCount(files, 'change', 'changes');
  return bytes === 0 ? changes : `${changes} (${formatBytes(bytes)})`;
}

/** Rounded up: nobody is told less than it takes. */
export function sayDuration(durationMs: number): string {
  const seconds = Math.ceil(durationMs / 1000);
  if (seconds <= 10) return 'a few seconds';
  if (seconds < 60) return `${Math.ceil(seconds / 10) * 10} seconds`;
  const minutes = Math.ceil(seconds / 60);
  if (minutes < 60) return sayCount(minutes, 'minute', 'minutes');
  const hours = Math.ceil(minutes / 60);
  return hours < 48 ? sayCount(hours, 'hour', 'hours') : sayCount(Math.ceil(hours / 24), 'day', 'days');
}
