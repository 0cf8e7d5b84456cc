// What there is on the Hub and who asks: the account, lists of buckets and repos, new buckets. Used by the host for choosing what to mount;
// reading and writing what was chosen is the work of `hub-store.ts`. Hub API as in docs "Hub API endpoints".

import type { Authorization, HttpClient } from './http.ts';
import { HubClient, nextPage } from './hub-client.ts';
import { HubUrls } from './hub-paths.ts';
import { AnswerReader } from './json-answer.ts';
import type { JsonObject } from './json-answer.ts';
import { HubError } from './remote-store.ts';
import type { SourceKind } from './remote-store.ts';

export interface HubAccount {
  readonly name: string;
  readonly fullName: string | null;
  readonly organisations: readonly { readonly name: string; readonly fullName: string | null }[];
}

export interface DirectoryEntry {
  readonly kind: SourceKind;
  readonly owner: string;
  readonly name: string;
  readonly private: boolean;
  readonly gated: 'no' | 'auto' | 'manual';
  readonly sizeBytes: number | null;
  readonly files: number | null;
  readonly updatedAtMs: number | null;
}

export interface DirectoryPage {
  readonly entries: readonly DirectoryEntry[];
  /** For `more`; null at the end. */
  readonly next: string | null;
}

export interface DirectoryQuery {
  readonly kind: SourceKind;
  /** Null: of everybody. Buckets have no such list. */
  readonly owner: string | null;
  readonly search: string | null;
}

export interface FolderNames {
  readonly names: readonly string[];
  readonly more: boolean;
}

const maxAnswerBytes = 8 * 1024 * 1024;
/** One screenful is some ten; the rest is there on demand. */
const pageEntries = 50;
const maxFolders = 500;
/** Fields beyond the id that a list has to be asked for. */
const listedFields: Readonly<Record<Exclude<SourceKind, 'bucket'>, readonly string[]>> = {
  model: ['private', 'gated', 'lastModified'],
  dataset: ['private', 'gated', 'lastModified'],
  space: ['private', 'lastModified'],
};

export class HubDirectory {
  readonly #http: HttpClient;
  readonly #urls: HubUrls;
  readonly #authorization: Authorization;
  readonly #hub: HubClient;
  readonly #apiPrefix: string;

  constructor(http: HttpClient, endpoint: string, authorization: Authorization) {
    this.#http = http;
    this.#urls = new HubUrls(endpoint);
    this.#authorization = authorization;
    this.#hub = new HubClient(http, this.#urls, authorization);
    this.#apiPrefix = this.#urls.apiRoot('');
  }

  /** Who `token` belongs to. The Hub limits this call strictly: keep the answer. */
  async whoami(token: string, signal?: AbortSignal): Promise<HubAccount> {
    const what = 'Asking who is signed in';
    const authorization: Authorization = {
      token: () => Promise.resolve(token),
      refused: () => Promise.resolve(false),
    };
    const url = this.#urls.apiRoot('whoami-v2');
    const request = { method: 'GET', url, what, authorization, signal } as const;
    const { value } = await this.#http.json(request, maxAnswerBytes);
    const reader = new AnswerReader(what);
    const account = reader.object(value, 'the account');
    return {
      name: reader.string(account, 'name'),
      fullName: reader.optionalString(account, 'fullname'),
      organisations: reader.array(account['orgs'] ?? [], '"orgs"').map((each) => {
        const organisation = reader.object(each, 'an organisation');
        return {
          name: reader.string(organisation, 'name'),
          fullName: reader.optionalString(organisation, 'fullname'),
        };
      }),
    };
  }

  async list(query: DirectoryQuery, signal?: AbortSignal): Promise<DirectoryPage> {
    return await this.#page(query.kind, this.#listUrl(query), signal);
  }

  /** The page after the one that gave `next`. */
  async more(kind: SourceKind, next: string, signal?: AbortSignal): Promise<DirectoryPage> {
    // It went through other hands; the token goes with the request.
    if (!next.startsWith(this.#apiPrefix)) {
      throw new HubError('invalid', 'The next page is not on this Hub', { retryable: false });
    }
    return await this.#page(kind, next, signal);
  }

  async find(kind: SourceKind, name: string, signal?: AbortSignal): Promise<DirectoryEntry> {
    const what = `Looking up ${kind} ${name}`;
    const value = await this.#get(this.#urls.api(kind, name), what, signal);
    const reader = new AnswerReader(what);
    const entry = parseEntry(kind, reader, reader.object(value.value, `the ${kind}`));
    if (entry === null) throw reader.fail('no "OWNER/NAME" in it');
    return entry;
  }

  async createBucket(owner: string, name: string, isPrivate: boolean): Promise<DirectoryEntry> {
    const full = `${owner}/${name}`;
    await this.#http.json(
      {
        method: 'POST',
        url: this.#urls.api('bucket', full),
        what: `Creating bucket ${full}`,
        headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
        body: [Buffer.from(JSON.stringify({ private: isPrivate }))],
        authorization: this.#authorization,
        repeat: 'once',
      },
      maxAnswerBytes,
    );
    return await this.find('bucket', full);
  }

  /** Branches and tags of a repo. */
  async revisions(
    kind: SourceKind,
    name: string,
    signal?: AbortSignal,
  ): Promise<{ readonly branches: readonly string[]; readonly tags: readonly string[] }> {
    const refs = await this.#hub.refs(kind, name, signal);
    const below = (prefix: string): string[] =>
      refs.filter(({ ref }) => ref.startsWith(prefix)).map((each) => each.name);
    return { branches: below('refs/heads/'), tags: below('refs/tags/') };
  }

  /** Folders directly below `path` ('' for the root), as far as the first page of its listing tells. */
  async folders(
    address: { readonly kind: SourceKind; readonly name: string; readonly revision: string | null },
    path: string,
    signal?: AbortSignal,
  ): Promise<FolderNames> {
    const revision = address.kind === 'bucket' ? null : (address.revision ?? 'main');
    const pages = this.#hub.tree({ ...address, revision }, path, false, signal);
    const first = await pages.next();
    if (first.done === true) return { names: [], more: false };
    const second = await pages.next();
    await pages.return(undefined);
    const prefixLength = path === '' ? 0 : path.length + 1;
    const names = first.value
      .filter((entry) => entry.type === 'directory')
      .map((entry) => entry.path.slice(prefixLength))
      .sort((a, b) => a.localeCompare(b));
    return { names: names.slice(0, maxFolders), more: names.length > maxFolders || second.done !== true };
  }

  #listUrl({ kind, owner, search }: DirectoryQuery): string {
    const query = new URLSearchParams();
    if (search !== null) query.set('search', search);
    if (kind === 'bucket') {
      if (owner === null) {
        throw new HubError('invalid', 'Buckets are listed by owner', { retryable: false });
      }
      const base = this.#urls.apiRoot(`buckets/${encodeURIComponent(owner)}`);
      return query.size === 0 ? base : `${base}?${query.toString()}`;
    }
    query.set('limit', String(pageEntries));
    if (owner !== null) {
      query.set('author', owner);
      query.set('sort', 'lastModified');
    }
    for (const field of listedFields[kind]) query.append('expand', field);
    return `${this.#urls.apiRoot(`${kind}s`)}?${query.toString()}`;
  }

  async #page(kind: SourceKind, url: string, signal?: AbortSignal): Promise<DirectoryPage> {
    const what = `Listing ${kind}s`;
    const { value, answer } = await this.#get(url, what, signal);
    const reader = new AnswerReader(what);
    const entries = reader
      .array(value, 'the list')
      .map((each) => parseEntry(kind, reader, reader.object(each, `a ${kind}`)))
      .filter((entry) => entry !== null);
    return { entries, next: nextPage(answer) };
  }

  async #get(url: string, what: string, signal: AbortSignal | undefined) {
    const headers = { Accept: 'application/json' };
    const authorization = this.#authorization;
    return await this.#http.json(
      { method: 'GET', url, what, headers, authorization, signal },
      maxAnswerBytes,
    );
  }
}

/** Null for old repos without an owner, which cannot be named as a source. */
function parseEntry(kind: SourceKind, reader: AnswerReader, object: JsonObject): DirectoryEntry | null {
  const [owner = '', name = '', ...rest] = reader.string(object, 'id').split('/');
  if (owner === '' || name === '' || rest.length > 0) return null;
  const gated = object['gated'];
  const isBucket = kind === 'bucket';
  return {
    kind,
    owner,
    name,
    private: reader.boolean(object, 'private'),
    gated: gated === 'auto' || gated === 'manual' ? gated : 'no',
    sizeBytes: reader.optionalCount(object, isBucket ? 'size' : 'usedStorage'),
    files: isBucket ? reader.optionalCount(object, 'totalFiles') : null,
    updatedAtMs: reader.date(object, isBucket ? 'updatedAt' : 'lastModified'),
  };
}
