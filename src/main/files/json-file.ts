// Reads and replaces one small JSON file of the data directory. A damaged file is set aside under another name, never overwritten.

import { readFile, rename } from 'node:fs/promises';
import type { Log } from '../../shared/log.ts';
import { replaceFile } from './atomic-file.ts';
import { errnoOf } from '../problem.ts';

/** `parse` throws where the content is not what it should be. A missing or damaged file gives `fallback`. */
export async function readJsonFile<T>(
  path: string,
  parse: (value: unknown) => T,
  fallback: T,
  log: Log,
): Promise<T> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return fallback;
    throw error;
  }
  try {
    return parse(JSON.parse(text));
  } catch (error) {
    const asidePath = `${path}.damaged-${Date.now()}`;
    await rename(path, asidePath);
    log.error(`“${path}” is damaged; it was set aside and defaults are used`, { asidePath }, error);
    return fallback;
  }
}

/** Writes come one after the other; the newest value wins. */
export class JsonFile<T> {
  readonly #path: string;
  #value: T;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string, value: T) {
    this.#path = path;
    this.#value = value;
  }

  get value(): T {
    return this.#value;
  }

  /** The new value counts at once; resolves when it is on disk. */
  set(value: T): Promise<void> {
    this.#value = value;
    const write = () => replaceFile(this.#path, `${JSON.stringify(this.#value, null, 2)}\n`, 0o600);
    this.#writing = this.#writing.then(write, write);
    return this.#writing;
  }
}
