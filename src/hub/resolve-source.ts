// Asks the Hub what a source is, and turns "no" into a sentence that says why and what to do: wrong kind, missing, gated, not
// allowed, no such revision or subfolder. Used when a store is opened.

import type { HubClient, RepoInfo, SourceAddress } from './hub-client.ts';
import { HubError, type SourceInfo, type SourceKind } from './remote-store.ts';
import { formatSource, type SourceSpec } from './source.ts';

export interface ResolvedSource {
  readonly info: SourceInfo;
  /** Repos: what the revision is now; buckets: null. */
  readonly repo: RepoInfo | null;
}

const mainRevision = 'main';
const kinds: readonly SourceKind[] = ['bucket', 'model', 'dataset', 'space'];
/** Refs named in a message. */
const maxSuggestedRefs = 8;

function nameOf(spec: SourceSpec): string {
  return `${spec.owner}/${spec.name}`;
}

function refuse(error: HubError, code: HubError['code'], message: string): HubError {
  return new HubError(code, message, {
    retryable: false,
    status: error.status,
    requestId: error.requestId,
    cause: error,
  });
}

/**
 * `signedIn`: whether requests carry a token. `wasOpened`: the source was opened here before, so that its subfolder may have been
 * emptied since. Rejects with `HubError` whose message is fit for a person.
 */
export async function resolveSource(
  hub: HubClient,
  spec: SourceSpec,
  { signedIn, wasOpened }: { readonly signedIn: boolean; readonly wasOpened: boolean },
  signal?: AbortSignal,
): Promise<ResolvedSource> {
  try {
    return spec.kind === 'bucket'
      ? await resolveBucket(hub, spec, { signedIn, wasOpened }, signal)
      : await resolveRepo(hub, spec, signal);
  } catch (error) {
    if (!(error instanceof HubError) || error.retryable) throw error;
    throw await explain(hub, spec, signedIn, error, signal);
  }
}

async function resolveBucket(
  hub: HubClient,
  spec: SourceSpec,
  { signedIn, wasOpened }: { readonly signedIn: boolean; readonly wasOpened: boolean },
  signal?: AbortSignal,
): Promise<ResolvedSource> {
  const bucket = await hub.bucketInfo(nameOf(spec), signal);
  const address: SourceAddress = { kind: 'bucket', name: bucket.id, revision: null };
  if (spec.subfolder !== '') {
    const [entry] = await hub.pathsInfo(address, [spec.subfolder], signal);
    if (entry?.type === 'file') throw subfolderIsFile(spec);
    // A bucket has no empty folders, so one that nobody has seen yet is most likely misspelt.
    if (!wasOpened && !(await hasFolder(hub, address, spec.subfolder, signal))) {
      throw new HubError(
        'not-found',
        `bucket ${bucket.id} has no folder "${spec.subfolder}". Check the path, or mount the whole bucket and make the folder there.`,
        { retryable: false },
      );
    }
  }
  return {
    info: {
      kind: 'bucket',
      name: bucket.id,
      revision: null,
      subfolder: spec.subfolder,
      identifier: `bucket/${bucket.id}`,
      writable: signedIn && (await mayWrite(hub, address, signal)),
      private: bucket.private,
      totalBytes: bucket.sizeBytes,
    },
    repo: null,
  };
}

async function hasFolder(
  hub: HubClient,
  address: SourceAddress,
  subfolder: string,
  signal?: AbortSignal,
): Promise<boolean> {
  for await (const page of hub.tree(address, subfolder, false, signal)) if (page.length > 0) return true;
  return false;
}

async function mayWrite(hub: HubClient, address: SourceAddress, signal?: AbortSignal): Promise<boolean> {
  try {
    await hub.xetToken(address, 'write', signal);
    return true;
  } catch (error) {
    if (error instanceof HubError && !error.retryable) return false;
    throw error;
  }
}

async function resolveRepo(hub: HubClient, spec: SourceSpec, signal?: AbortSignal): Promise<ResolvedSource> {
  const revision = spec.revision ?? mainRevision;
  const repo = await hub.repoInfo({ kind: spec.kind, name: nameOf(spec), revision }, signal);
  const address: SourceAddress = { kind: spec.kind, name: repo.id, revision: repo.sha };
  if (repo.disabled) {
    throw new HubError('forbidden', `${formatSource(spec)} was disabled on the Hub.`, { retryable: false });
  }
  // The tree of a gated repo is open to all; its data is not.
  if (repo.gated) await hub.xetToken({ ...address, revision }, 'read', signal);
  if (spec.subfolder !== '') {
    const [entry] = await hub.pathsInfo(address, [spec.subfolder], signal);
    if (entry === undefined) {
      throw new HubError(
        'not-found',
        `${spec.kind} ${repo.id} has no folder "${spec.subfolder}" at ${revision}. Check the path, or mount the whole ${spec.kind}.`,
        { retryable: false },
      );
    }
    if (entry.type === 'file') throw subfolderIsFile(spec);
  }
  return {
    info: {
      kind: spec.kind,
      name: repo.id,
      revision,
      subfolder: spec.subfolder,
      identifier: `${spec.kind}/${repo.id}/${revision}`,
      writable: false,
      private: repo.private,
      totalBytes: null,
    },
    repo,
  };
}

function subfolderIsFile(spec: SourceSpec): HubError {
  return new HubError(
    'invalid',
    `"${spec.subfolder}" of ${nameOf(spec)} is a file. Mount the folder it is in.`,
    { retryable: false },
  );
}

async function explain(
  hub: HubClient,
  spec: SourceSpec,
  signedIn: boolean,
  error: HubError,
  signal?: AbortSignal,
): Promise<HubError> {
  const source = formatSource(spec);
  // Errors made in this file carry no status and say all there is.
  if (error.status === null) return error;
  if (error.code === 'gated') {
    const who = signedIn ? 'this account' : 'you';
    return refuse(
      error,
      'gated',
      `${source} is gated: ask for access on its page on the Hub first, then ${who} can mount it.`,
    );
  }
  if (error.code === 'forbidden' && /disabled/i.test(error.message)) {
    return refuse(error, 'forbidden', `${source} was disabled on the Hub.`);
  }
  if (error.code === 'forbidden') {
    return refuse(error, 'forbidden', `${source}: this account may not read it. Ask its owner for access.`);
  }
  if (error.code !== 'not-found' && error.code !== 'unauthorized') return error;
  const revision = await explainRevision(hub, spec, error, signal);
  if (revision !== null) return revision;
  const other = await findOtherKind(hub, spec, signal);
  if (other !== null) {
    const right = formatSource({ ...spec, kind: other });
    return refuse(error, 'wrong-kind', `${nameOf(spec)} is a ${other}, not a ${spec.kind}. Use ${right}.`);
  }
  if (error.code === 'unauthorized' && signedIn && /credentials/i.test(error.message)) {
    return refuse(
      error,
      'unauthorized',
      `The Hub does not accept the token, so ${source} cannot be opened. Sign in again.`,
    );
  }
  if (!signedIn) {
    return refuse(
      error,
      'unauthorized',
      `${source} does not exist or is private. If it is private, sign in or set HF_TOKEN.`,
    );
  }
  return refuse(
    error,
    'not-found',
    `${source} does not exist, or this account may not see it. Check owner and name.`,
  );
}

/** If the repo is there and only the revision is not. */
async function explainRevision(
  hub: HubClient,
  spec: SourceSpec,
  error: HubError,
  signal?: AbortSignal,
): Promise<HubError | null> {
  if (spec.kind === 'bucket' || spec.revision === null) return null;
  try {
    await hub.repoInfo({ kind: spec.kind, name: nameOf(spec), revision: null }, signal);
    const refs = await hub.refs(spec.kind, nameOf(spec), signal);
    const names = refs.map((ref) => ref.name).slice(0, maxSuggestedRefs);
    return refuse(
      error,
      'not-found',
      `${spec.kind} ${nameOf(spec)} has no revision "${spec.revision}". It has: ${names.join(', ')}.`,
    );
  } catch (cause) {
    if (cause instanceof HubError) return null;
    throw cause;
  }
}

async function findOtherKind(
  hub: HubClient,
  spec: SourceSpec,
  signal?: AbortSignal,
): Promise<SourceKind | null> {
  const others = kinds.filter((kind) => kind !== spec.kind);
  const found = await Promise.all(
    others.map(async (kind) => {
      try {
        if (kind === 'bucket') await hub.bucketInfo(nameOf(spec), signal);
        else await hub.repoInfo({ kind, name: nameOf(spec), revision: null }, signal);
        return kind;
      } catch (error) {
        if (error instanceof HubError) return null;
        throw error;
      }
    }),
  );
  return found.find((kind) => kind !== null) ?? null;
}
