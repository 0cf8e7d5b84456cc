// Lists for choosing what to mount: mine with my organisations', everybody's, one owner's. Between the contract's words and the Hub's.

import type { DirectoryEntry, DirectoryPage } from '../../hub/directory-client.ts';
import { formatSource, parseSource } from '../../hub/source.ts';
import { ArgumentError, list, object, text } from '../../shared/arguments.ts';
import type { BrowseArgument, FoldersArgument } from '../../shared/contract.ts';
import type { BrowseItem, BrowsePage, FolderList, SourceDetails } from '../../shared/model.ts';
import type { Account, CurrentHub } from './account.ts';
import { problemOf } from '../problem.ts';

/** Somebody in more organisations than this searches or writes OWNER/. */
const maxOwners = 30;

/** Where each owner's list goes on: the cursor that surfaces hand back. */
const parseCursor = list(object({ owner: text(200), next: text(2000) }), maxOwners);

type Part =
  | { readonly owner: string; readonly page: DirectoryPage }
  | { readonly owner: string; readonly cause: unknown };

export async function browse(
  argument: BrowseArgument,
  account: Account,
  hub: CurrentHub,
): Promise<BrowsePage> {
  const { kind, search, cursor } = argument;
  const asked =
    cursor === null
      ? (await ownersOf(argument, account, hub)).map((owner) =>
          askOne(owner ?? '', () => hub.directory.list({ kind, owner, search })),
        )
      : readCursor(cursor).map(({ owner, next }) => askOne(owner, () => hub.directory.more(kind, next)));
  const parts = await Promise.all(asked);
  const pages = parts.filter((part) => 'page' in part);
  const failures = parts.filter((part) => 'cause' in part);
  const [first] = failures;
  // With nothing to show, the reason is the answer.
  if (first !== undefined && pages.length === 0) throw first.cause;
  return {
    items: pages
      .flatMap(({ page }) => page.entries)
      .map(itemOf)
      .sort(newestFirst),
    cursor: writeCursor(pages),
    problems: failures.map(({ owner, cause }) => ({ owner, problem: problemOf(cause) })),
  };
}

async function askOne(owner: string, load: () => Promise<DirectoryPage>): Promise<Part> {
  try {
    return { owner, page: await load() };
  } catch (cause) {
    return { owner, cause };
  }
}

/** Null: of everybody. */
async function ownersOf(
  { owner, scope }: BrowseArgument,
  account: Account,
  hub: CurrentHub,
): Promise<readonly (string | null)[]> {
  if (owner !== null) return [owner];
  if (scope === 'everywhere') return [null];
  return (await account.namespaces(hub)).slice(0, maxOwners);
}

function readCursor(cursor: string): ReturnType<typeof parseCursor> {
  try {
    return parseCursor(JSON.parse(cursor), 'cursor');
  } catch (error) {
    if (error instanceof SyntaxError) throw new ArgumentError('cursor is not one of ours');
    throw error;
  }
}

function writeCursor(
  pages: readonly { readonly owner: string; readonly page: DirectoryPage }[],
): string | null {
  const open = pages.flatMap(({ owner, page }) =>
    page.next === null ? [] : [{ owner: owner === '' ? '*' : owner, next: page.next }],
  );
  return open.length === 0 ? null : JSON.stringify(open);
}

function itemOf(entry: DirectoryEntry): BrowseItem {
  const { kind, owner, name, gated, sizeBytes, files, updatedAtMs: updatedAt } = entry;
  const source = `${kind}/${owner}/${name}`;
  return { source, kind, owner, name, private: entry.private, gated, sizeBytes, files, updatedAt };
}

function newestFirst(a: BrowseItem, b: BrowseItem): number {
  return (b.updatedAt ?? 0) - (a.updatedAt ?? 0);
}

/** `placeOf` says where a source would be mounted by default. */
export async function describeSource(
  text: string,
  hub: CurrentHub,
  placeOf: (source: string) => string,
): Promise<SourceDetails> {
  const spec = parseSource(text);
  const name = `${spec.owner}/${spec.name}`;
  const [entry, revisions] = await Promise.all([
    hub.directory.find(spec.kind, name),
    spec.kind === 'bucket' ? noRevisions : hub.directory.revisions(spec.kind, name),
  ]);
  return { item: itemOf(entry), mountPoint: placeOf(formatSource(spec)), ...revisions };
}

const noRevisions = { branches: [], tags: [] } as const;

export async function listFolders(argument: FoldersArgument, hub: CurrentHub): Promise<FolderList> {
  const { kind, owner, name } = parseSource(argument.source);
  const address = { kind, name: `${owner}/${name}`, revision: argument.revision };
  const { names, more } = await hub.directory.folders(address, argument.path ?? '');
  return { folders: names, more };
}

export async function createBucket(
  owner: string,
  name: string,
  isPrivate: boolean,
  hub: CurrentHub,
): Promise<BrowseItem> {
  // The Hub's rule for names, with a text that says what is wrong.
  parseSource(`bucket/${owner}/${name}`);
  return itemOf(await hub.directory.createBucket(owner, name, isPrivate));
}
