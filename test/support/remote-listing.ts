// How a simulated Hub lists folders, checks paths and obeys abort signals. Used by the in-memory store.

import { HubError, type RemoteEntry, type RemoteFile } from '../../src/hub/remote-store.ts';

/** What the Hub accepts as a path of a bucket file. */
export function isHubPath(path: string): boolean {
  return path
    .split('/')
    .every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !/[\\\0]/.test(segment));
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted();
}

export function whenAborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(aborted()), { once: true });
  });
}

function aborted(): HubError {
  return new HubError('aborted', 'simulated aborted', { retryable: false });
}

/** One level of a folder: files, and folders as far as files are below them. */
export function levelOf(files: Iterable<RemoteFile>, directory: string): RemoteEntry[] {
  const prefix = directory === '' ? '' : `${directory}/`;
  const entries = new Map<string, RemoteEntry>();
  for (const file of files) {
    if (!file.path.startsWith(prefix)) continue;
    const slash = file.path.indexOf('/', prefix.length);
    const path = slash < 0 ? file.path : file.path.slice(0, slash);
    if (slash < 0) entries.set(`f${path}`, file);
    else entries.set(`d${path}`, { type: 'directory', path, mtimeMs: file.mtimeMs });
  }
  return [...entries.values()];
}
