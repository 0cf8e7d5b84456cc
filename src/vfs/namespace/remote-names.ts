// How Hub names that no file system can hold are shown: escaped so that a person can read the original back, never dropped.
// Two Hub entries may still end up with one shown name, so the namespace remembers each entry's own Hub name and asks
// `alternativeName` for another one. Ordinary names pass unchanged.

import { cutBytes } from './cut-bytes.ts';

const longestNameBytes = 255;
/** Marks an escaped name: the Hub allows it, programs do not choose it. */
const marker = '\u2424'; // SYMBOL FOR NEWLINE, shown once at the end

/** The name to show for a Hub name: the same for every name that is legal here. */
export function shownName(remoteName: string): string {
  if (isLegal(remoteName)) return remoteName;
  let escaped = '';
  if (remoteName === '' || remoteName === '.' || remoteName === '..') {
    escaped = remoteName === '' ? '%' : remoteName.replaceAll('.', '%2E');
  } else {
    for (const character of remoteName)
      escaped += needsEscape(character) ? escapeCharacter(character) : character;
  }
  return shorten(escaped + marker, remoteName);
}

/** The Hub name behind a shown one, where the name alone tells: null for one that had to be shortened. */
export function remoteNameOf(shown: string): string | null {
  if (!shown.endsWith(marker)) return shown;
  const escaped = shown.slice(0, -marker.length);
  if (escaped.includes('\u2026')) return null;
  if (escaped === '%') return '';
  return escaped.replace(/%u([0-9A-F]{4})|%([0-9A-F]{2})/g, (_all, unit?: string, byte?: string) =>
    String.fromCharCode(Number.parseInt(unit ?? byte ?? '0', 16)),
  );
}

/** The `attempt`-th other name for an entry whose shown name is taken, as by a folder and a file of one name. */
export function alternativeName(remoteName: string, type: 'file' | 'directory', attempt: number): string {
  const suffix =
    attempt === 1
      ? ` (${type === 'file' ? 'file' : 'folder'})`
      : ` (${type === 'file' ? 'file' : 'folder'} ${attempt})`;
  const base = shownName(remoteName);
  const room = longestNameBytes - Buffer.byteLength(suffix);
  return (
    (Buffer.byteLength(base) <= room ? base : cutBytes(base, room - 9) + hashSuffix(remoteName)) + suffix
  );
}

/** Whether a program may create this name here. Not a check of its length. */
export function isLegal(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  for (let index = 0; index < name.length; index += 1) {
    const code = name.charCodeAt(index);
    if (code < 0x20 || code === 0x2f || code === 0x7f || code === 0x2424) return false;
  }
  return name.isWellFormed() && (name.length <= 85 || Buffer.byteLength(name) <= longestNameBytes);
}

function needsEscape(character: string): boolean {
  return character === '%' || character === marker || !isLegal(character + 'x');
}

function escapeCharacter(character: string): string {
  let escaped = '';
  for (let index = 0; index < character.length; index += 1) {
    const code = character.charCodeAt(index);
    const hex = code.toString(16).toUpperCase();
    escaped += code < 0x100 ? `%${hex.padStart(2, '0')}` : `%u${hex.padStart(4, '0')}`;
  }
  return escaped;
}

function shorten(shown: string, remoteName: string): string {
  if (Buffer.byteLength(shown) <= longestNameBytes) return shown;
  const tail = `\u2026${hashSuffix(remoteName)}${marker}`;
  return cutBytes(shown.slice(0, -marker.length), longestNameBytes - Buffer.byteLength(tail)) + tail;
}

function hashSuffix(name: string): string {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index += 1)
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  return `~${(hash >>> 0).toString(16).padStart(8, '0')}`;
}
