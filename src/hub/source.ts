// Names of sources as a person writes them: `bucket/OWNER/NAME[/SUB]`, `model|dataset|space/OWNER/NAME[/SUB]`. Only the
// text is judged here; `resolve-source.ts` asks the Hub.

import { HubError, type SourceKind } from './remote-store.ts';

export interface SourceSpec {
  readonly kind: SourceKind;
  readonly owner: string;
  readonly name: string;
  /** '' for the whole source; no leading or trailing slash. */
  readonly subfolder: string;
  /** Repos: branch, tag, SHA or `refs/pr/N`; null means the main branch. Always null for buckets. */
  readonly revision: string | null;
}

const kinds: Readonly<Record<string, SourceKind>> = {
  bucket: 'bucket',
  buckets: 'bucket',
  model: 'model',
  models: 'model',
  dataset: 'dataset',
  datasets: 'dataset',
  space: 'space',
  spaces: 'space',
};

const form = 'Write bucket/OWNER/NAME[/SUBFOLDER], or model, dataset or space instead of bucket.';
/** The Hub's rule for owners and names: letters, digits, "-", "_", ".", at most 96 characters. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
const maxSubfolderBytes = 1024;
const maxRevisionBytes = 256;

function refuse(message: string): HubError {
  return new HubError('invalid', message, { retryable: false });
}

function hasControlCharacter(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

function checkSubfolder(subfolder: string, text: string): void {
  const bad = subfolder.split('/').some((segment) => segment === '' || segment === '.' || segment === '..');
  if (bad || hasControlCharacter(subfolder) || subfolder.includes('\\')) {
    throw refuse(`"${text}": the subfolder must be plain names separated by single slashes.`);
  }
  if (Buffer.byteLength(subfolder) > maxSubfolderBytes) {
    throw refuse(`"${text.slice(0, 80)}…": the subfolder is longer than ${maxSubfolderBytes} bytes.`);
  }
}

function checkRevision(revision: string): void {
  const bad = revision.includes('..') || revision.startsWith('/') || revision.endsWith('/');
  if (bad || hasControlCharacter(revision) || Buffer.byteLength(revision) > maxRevisionBytes) {
    throw refuse(
      `"${revision.slice(0, 80)}" is not a revision. Use a branch, a tag, a commit SHA or refs/pr/N.`,
    );
  }
}

/** Throws `HubError` "invalid" with a text that says what to write instead. */
export function parseSource(text: string, revision: string | null = null): SourceSpec {
  const trimmed = text
    .trim()
    .replace(/^hf:\/\//, '')
    .replace(/\/+$/, '');
  const [kindText = '', owner = '', name = '', ...rest] = trimmed.split('/');
  const kind = Object.hasOwn(kinds, kindText) ? kinds[kindText] : undefined;
  if (kind === undefined) throw refuse(`"${text}" does not say what kind of source it is. ${form}`);
  if (!namePattern.test(owner) || !namePattern.test(name)) {
    throw refuse(`"${text}" does not name an owner and a ${kind}. ${form}`);
  }
  const subfolder = rest.join('/');
  if (rest.length > 0) checkSubfolder(subfolder, text);
  const wanted = revision === null || revision === '' ? null : revision;
  if (wanted !== null && kind === 'bucket') {
    throw refuse(`"${text}": buckets have no revisions. Leave the revision out.`);
  }
  if (wanted !== null) checkRevision(wanted);
  return { kind, owner, name, subfolder, revision: wanted };
}

/** The text `parseSource` reads; the revision is not part of it. */
export function formatSource(spec: SourceSpec): string {
  const root = `${spec.kind}/${spec.owner}/${spec.name}`;
  return spec.subfolder === '' ? root : `${root}/${spec.subfolder}`;
}
