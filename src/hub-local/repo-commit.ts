// Parses the NDJSON of a repo commit into edits and says how files are to be uploaded.

import { asObject } from './json-object.ts';
import { checkPath } from './bucket-batch.ts';
import type { CasStore } from './cas-store.ts';
import { lfsExtensions } from './git-objects.ts';
import { badRequest, entryNotFound, Refusal } from './refusal.ts';
import type { RepoEdit, RepoFile } from './repo-store.ts';

/** From this size on a file is stored in Xet whatever it is. */
const lfsFromBytes = 10 * 1024 * 1024;

export interface ParsedCommit {
  readonly title: string;
  readonly message: string;
  readonly parentCommit: string | null;
  readonly edits: readonly RepoEdit[];
}

/**
 * `files`: those of the commit it builds on. `checkParent` sees the header's parent before anything else is looked at.
 * Throws 400 or 404 for what cannot be done; then nothing is.
 */
export function parseCommit(
  body: string,
  files: readonly RepoFile[],
  cas: CasStore,
  checkParent: (parentCommit: string | null) => void,
): ParsedCommit {
  const lines: { key: string; value: Readonly<Record<string, unknown>> }[] = [];
  for (const [index, line] of body.split('\n').entries()) {
    if (line.trim() !== '') lines.push(parseLine(line, index + 1));
  }
  const header = lines.find((line) => line.key === 'header')?.value;
  if (header === undefined) throw badRequest('The commit has no header line');
  const parentCommit = typeof header['parentCommit'] === 'string' ? header['parentCommit'] : null;
  checkParent(parentCommit);
  return {
    title: textOf(header['summary']),
    message: textOf(header['description']),
    parentCommit,
    edits: lines
      .filter((line) => line.key !== 'header')
      .flatMap(({ key, value }) => readEdit(key, value, files, cas)),
  };
}

function parseLine(line: string, number: number): { key: string; value: Readonly<Record<string, unknown>> } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw badRequest(`Line ${number} of the commit is not JSON`, cause);
  }
  const fields = asObject(parsed);
  return { key: textOf(fields['key']), value: asObject(fields['value']) };
}

function readEdit(
  key: string,
  value: Readonly<Record<string, unknown>>,
  files: readonly RepoFile[],
  cas: CasStore,
): RepoEdit[] {
  const path = textOf(value['path']).replace(/\/+$/, '');
  const problem = checkPath(path);
  if (problem !== null) throw badRequest(`${key} ${JSON.stringify(path)}: ${problem}`);
  switch (key) {
    case 'file':
      return [{ type: 'blob', path, data: decodeContent(value) }];
    case 'lfsFile': {
      const sha256 = textOf(value['oid']);
      const stored = cas.fileBySha256(sha256);
      if (stored === null) throw badRequest(`LFS object ${sha256} of ${path} was not uploaded`);
      return [{ type: 'lfs', path, sha256, xetHash: stored.hash, sizeBytes: stored.sizeBytes }];
    }
    case 'deletedFile':
      if (!files.some((file) => file.path === path))
        throw entryNotFound(`A file with this name doesn't exist: ${path}`);
      return [{ type: 'delete', path }];
    case 'deletedFolder': {
      const below = files.filter((file) => file.path.startsWith(`${path}/`));
      if (below.length === 0) throw entryNotFound(`A folder with this name doesn't exist: ${path}`);
      return below.map((file) => ({ type: 'delete', path: file.path }));
    }
    default:
      throw new Refusal(400, `Unknown commit operation "${key}"`);
  }
}

/** The bytes of a `file` value. */
export function decodeContent(value: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.from(textOf(value['content']), value['encoding'] === 'base64' ? 'base64' : 'utf8');
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Whether a file goes into Xet (`lfs`) or into git: by size, name, and the first bytes of it. */
export function uploadModeOf(path: string, sizeBytes: number, sample: Uint8Array): 'lfs' | 'regular' {
  const extension = path.slice(path.lastIndexOf('.') + 1).toLowerCase();
  const binary = sizeBytes >= lfsFromBytes || lfsExtensions.includes(extension) || sample.includes(0);
  return binary && sizeBytes > 0 ? 'lfs' : 'regular';
}
