// Decides from what the Hub has at a path, what we expected there and what we want there, whether to write, to delete, to
// leave it, or whether another client changed it. Pure; used by the committer for every path of a batch.

import type { ContentRef, RemoteFile } from '../../hub/remote-store.ts';
import type { RemoteTheirs } from '../parts.ts';

/** What a batch means for one path, whatever number of operations lead there. */
export interface PathIntent {
  readonly path: string;
  /** Key at the path when it was last known, null for nothing. */
  readonly expected: string | null;
  /** `expected` and every key (or null) that our own operations put there on the way: all of them are known here. */
  readonly known: ReadonlySet<string | null>;
  /** What the path holds in the end, null for nothing. */
  readonly final: { readonly content: ContentRef; readonly mtimeMs: number } | null;
}

export type Verdict =
  | { readonly type: 'done' } // the Hub has it so (nothing to do, or a lost reply)
  /** `revived`: another client deleted the file while it was edited here; the edit wins. */
  | { readonly type: 'put'; readonly revived: boolean }
  | { readonly type: 'delete' }
  /** Another client's version is there. */
  | { readonly type: 'foreign'; readonly theirs: RemoteTheirs };

/** `current`: what the Hub has at the path now. `isOurs`: whether we may have put that key there ourselves. */
export function checkPath(
  intent: PathIntent,
  current: RemoteFile | null,
  isOurs: (key: string) => boolean,
): Verdict {
  const wantedKey = intent.final?.content.key ?? null;
  if (current === null) {
    if (wantedKey === null) return { type: 'done' };
    return { type: 'put', revived: !intent.known.has(null) };
  }
  const { key } = current.content;
  if (key === wantedKey) return { type: 'done' };
  if (!intent.known.has(key) && !isOurs(key)) {
    return { type: 'foreign', theirs: { content: current.content, mtimeMs: current.mtimeMs } };
  }
  return wantedKey === null ? { type: 'delete' } : { type: 'put', revived: false };
}
