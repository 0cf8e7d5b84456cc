// Hub web addresses and source names, both ways: what a person pastes becomes a source the host understands, and a mount becomes the
// address of its page. Pure. The host judges names; here only the shape is read.

import type { SourceKind } from '../../shared/model.ts';

export interface PastedSource {
  /** `KIND/OWNER/NAME`. */
  readonly source: string;
  readonly kind: SourceKind;
  readonly owner: string;
  readonly name: string;
  readonly revision: string | null;
  /** '' for the whole source. */
  readonly subfolder: string;
}

const kindWords: Readonly<Record<string, SourceKind>> = {
  bucket: 'bucket',
  buckets: 'bucket',
  model: 'model',
  models: 'model',
  dataset: 'dataset',
  datasets: 'dataset',
  space: 'space',
  spaces: 'space',
};

/** First path segments of the Hub's own pages, which are no owners. */
const pages = new Set([
  'api',
  'docs',
  'blog',
  'settings',
  'login',
  'join',
  'pricing',
  'papers',
  'collections',
  'posts',
]);
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

/** Null for what is no source: then it is a search. `endpoint` is the Hub in use; addresses of huggingface.co are always understood. */
export function parsePasted(text: string, endpoint: string): PastedSource | null {
  const trimmed = text.trim();
  const segments = addressSegments(trimmed, endpoint);
  if (segments !== null) return fromAddress(segments);
  const [first = '', ...rest] = trimmed.replace(/^(?:hf|hubdrive):\/\//, '').split('/');
  const kind = Object.hasOwn(kindWords, first) ? kindWords[first] : undefined;
  if (kind !== undefined && rest.length >= 2) return build(kind, rest[0], rest[1], null, rest.slice(2));
  const isScheme = /^(?:hf|hubdrive):\/\//.test(trimmed);
  return isScheme && rest.length >= 1 ? build('model', first, rest[0], null, rest.slice(1)) : null;
}

function addressSegments(text: string, endpoint: string): readonly string[] | null {
  const withScheme = /^(?:www\.)?(?:huggingface\.co|hf\.co)\//.test(text) ? `https://${text}` : text;
  if (!/^https?:\/\//.test(withScheme) || !URL.canParse(withScheme)) return null;
  const address = new URL(withScheme);
  const hosts = new Set(['huggingface.co', 'www.huggingface.co', 'hf.co']);
  if (URL.canParse(endpoint)) hosts.add(new URL(endpoint).host);
  if (!hosts.has(address.host)) return null;
  return address.pathname
    .split('/')
    .filter((segment) => segment !== '')
    .map(decode);
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return segment;
    throw error;
  }
}

function fromAddress(segments: readonly string[]): PastedSource | null {
  const [first = '', ...others] = segments;
  const isPlural = first === 'buckets' || first === 'datasets' || first === 'spaces' || first === 'models';
  const kind = isPlural ? (kindWords[first] ?? 'model') : 'model';
  if (!isPlural && pages.has(first)) return null;
  const [owner, name, verb, ...tail] = isPlural ? others : segments;
  const isPlace = verb === 'tree' || verb === 'blob' || verb === 'resolve';
  if (!isPlace) return build(kind, owner, name, null, []);
  const isFile = verb !== 'tree';
  if (kind === 'bucket') return build(kind, owner, name, null, isFile ? tail.slice(0, -1) : tail);
  const [revision = null, ...path] = joinPullRequest(tail);
  return build(kind, owner, name, revision, isFile ? path.slice(0, -1) : path);
}

/** `refs/pr/3` is one revision of three segments. */
function joinPullRequest(tail: readonly string[]): readonly string[] {
  return tail[0] === 'refs' && tail.length >= 3 ? [tail.slice(0, 3).join('/'), ...tail.slice(3)] : tail;
}

function build(
  kind: SourceKind,
  owner: string | undefined,
  name: string | undefined,
  revision: string | null,
  path: readonly string[],
): PastedSource | null {
  if (owner === undefined || name === undefined) return null;
  if (!namePattern.test(owner) || !namePattern.test(name)) return null;
  const subfolder = path.filter((segment) => segment !== '').join('/');
  return { source: `${kind}/${owner}/${name}`, kind, owner, name, revision, subfolder };
}

const folders: Readonly<Record<SourceKind, string>> = {
  bucket: 'buckets/',
  model: '',
  dataset: 'datasets/',
  space: 'spaces/',
};

/** The Hub page of `KIND/OWNER/NAME[/SUB]`, or null for a text that is no source. */
export function hubPage(endpoint: string, source: string, revision: string | null): string | null {
  const [kindText = '', owner = '', name = '', ...path] = source.split('/');
  const kind = Object.hasOwn(kindWords, kindText) ? kindWords[kindText] : undefined;
  if (kind === undefined || owner === '' || name === '') return null;
  const page = `${endpoint.replace(/\/+$/, '')}/${folders[kind]}${owner}/${name}`;
  if (path.length === 0 && revision === null) return page;
  const place = path.map(encodeURIComponent).join('/');
  if (kind === 'bucket') return `${page}/tree/${place}`;
  const tree = `${page}/tree/${encodeURIComponent(revision ?? 'main')}`;
  return path.length === 0 ? tree : `${tree}/${place}`;
}
