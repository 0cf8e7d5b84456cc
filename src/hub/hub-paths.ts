// URLs of the Hub's API and the mapping between paths in the source and paths below the mounted subfolder. Encoding is
// strict and per segment: the Hub's own JavaScript client leaves "#", "?" and "%" alone, and then asks for another file.

import type { SourceKind } from './remote-store.ts';

const apiFolders: Readonly<Record<SourceKind, string>> = {
  bucket: 'buckets',
  model: 'models',
  dataset: 'datasets',
  space: 'spaces',
};

/** Part of resolve URLs before the name. */
const resolveFolders: Readonly<Record<SourceKind, string>> = {
  bucket: 'buckets/',
  model: '',
  dataset: 'datasets/',
  space: 'spaces/',
};

/** Encodes each segment and keeps the slashes. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  // encodeURIComponent throws on half a surrogate pair; a path from JSON may hold one.
  return encodeURIComponent(segment.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** `refs/pr/1` is one segment in API URLs. */
export function encodeRevision(revision: string): string {
  return encodeURIComponent(revision);
}

export class HubUrls {
  readonly #endpoint: string;

  /** Trailing slashes of `endpoint` do not matter. */
  constructor(endpoint: string) {
    this.#endpoint = endpoint.replace(/\/+$/, '');
  }

  /** `name` is `OWNER/NAME`. */
  api(kind: SourceKind, name: string): string {
    return `${this.#endpoint}/api/${apiFolders[kind]}/${encodePath(name)}`;
  }

  apiRoot(path: string): string {
    return `${this.#endpoint}/api/${path}`;
  }

  resolve(kind: SourceKind, name: string, revision: string | null, path: string): string {
    const base = `${this.#endpoint}/${resolveFolders[kind]}${encodePath(name)}/resolve`;
    const root = revision === null ? base : `${base}/${encodeRevision(revision)}`;
    return `${root}/${encodePath(path)}`;
  }
}

/** Paths of a source whose subfolder is mounted: the caller's are relative to it. */
export class SubfolderPaths {
  readonly #subfolder: string;

  constructor(subfolder: string) {
    this.#subfolder = subfolder;
  }

  toHub(path: string): string {
    if (this.#subfolder === '') return path;
    return path === '' ? this.#subfolder : `${this.#subfolder}/${path}`;
  }

  /** Null for a path outside the subfolder. */
  fromHub(path: string): string | null {
    if (this.#subfolder === '') return path;
    const prefix = `${this.#subfolder}/`;
    return path.startsWith(prefix) ? path.slice(prefix.length) : null;
  }
}
