// `POST /api/buckets/…/batch`: parses the NDJSON lines and turns each into an edit or a refusal of that line alone.
// Applying is the store's part.

import { emptyFileHash, type CasStore } from './cas-store.ts';
import type { BucketEdit } from './bucket-store.ts';
import { badRequest } from './refusal.ts';

export interface CopySource {
  readonly type: string;
  readonly id: string;
  readonly xetHash: string;
}

export interface LineFailure {
  readonly path: string;
  readonly error: string;
}

export type LineResult = { readonly edit: BucketEdit } | { readonly failure: LineFailure };

export interface BatchChecks {
  readonly cas: CasStore;
  readonly now: number;
  /** Null, or why a test wants this path to fail. */
  readonly refusePath: (path: string) => string | null;
  /** Null if the caller may copy this content from there, else why not. */
  readonly refuseCopy: (source: CopySource) => string | null;
}

const maxPathBytes = 4096;
const maxSegmentBytes = 1024;
/** Below this a time is in seconds: the year 2001 in milliseconds, 33658 in seconds (one client sends seconds). */
const earliestMilliseconds = 1e12;

/** Every line in order. A line that is no JSON object makes the whole request a 400. */
export function parseBatch(body: string, checks: BatchChecks): LineResult[] {
  const results: LineResult[] = [];
  body.split('\n').forEach((line, index) => {
    if (line.trim() === '') return;
    results.push(readLine(parseLine(line, index + 1), checks));
  });
  return results;
}

function parseLine(line: string, number: number): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw badRequest(`Line ${number} of the batch is not JSON`, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`Line ${number} of the batch is not a JSON object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function readLine(fields: Readonly<Record<string, unknown>>, checks: BatchChecks): LineResult {
  const path = typeof fields['path'] === 'string' ? fields['path'] : '';
  const fail = (error: string): LineResult => ({ failure: { path, error } });
  const pathProblem = checkPath(path) ?? checks.refusePath(path);
  if (pathProblem !== null) return fail(pathProblem);
  const type = fields['type'];
  if (type === 'deleteFile') return { edit: { type: 'delete', path } };
  if (type !== 'addFile' && type !== 'copyFile') return fail(`Unknown operation ${JSON.stringify(type)}`);
  const xetHash = typeof fields['xetHash'] === 'string' ? fields['xetHash'].toLowerCase() : '';
  if (!/^[0-9a-f]{64}$/.test(xetHash)) return fail('xetHash must be 64 hex digits');
  if (type === 'copyFile') {
    const source = { type: text(fields['sourceRepoType']), id: text(fields['sourceRepoId']), xetHash };
    const refused = checks.refuseCopy(source);
    if (refused !== null) return fail(refused);
  }
  const sizeBytes = xetHash === emptyFileHash ? 0 : checks.cas.fileSize(xetHash);
  if (sizeBytes === null) return fail(`No uploaded file has the hash ${xetHash}`);
  const mtime = readTime(fields['mtime'], checks.now);
  if (mtime === null) return fail('mtime must be a number of milliseconds');
  const contentType = typeof fields['contentType'] === 'string' ? fields['contentType'].slice(0, 255) : null;
  return { edit: { type: 'put', path, xetHash, sizeBytes, mtime, contentType } };
}

function readTime(value: unknown, now: number): number | null {
  if (value === undefined || value === null) return now;
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 8.64e15) return null;
  return Math.floor(value > 0 && value < earliestMilliseconds / 100 ? value * 1000 : value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Why a path is not allowed in a bucket, or null. */
export function checkPath(path: string): string | null {
  if (path === '') return 'path must not be empty';
  if (Buffer.byteLength(path) > maxPathBytes) return `path is longer than ${maxPathBytes} bytes`;
  if (path.includes('\\') || path.includes('\u0000')) return 'path must not contain a backslash or NUL';
  if (!path.isWellFormed()) return 'path is not valid Unicode';
  for (const segment of path.split('/')) {
    if (segment === '') return 'path must not begin or end with a slash or contain //';
    if (segment === '.' || segment === '..') return 'path must not contain . or .. segments';
    if (Buffer.byteLength(segment) > maxSegmentBytes)
      return `a path segment is longer than ${maxSegmentBytes} bytes`;
  }
  return null;
}
