// The host's log file: `NAME.N.log` of at most 10 MiB, with four older numbers beside it. Written at once, so that the last lines before a
// crash are in it. Of our own, as pino-roll brings a calendar library of 300 modules and 17 MB of memory into every host.

import { closeSync, mkdirSync, openSync, readdirSync, rmSync, statSync, writeSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { Writable } from 'node:stream';

const longestFileBytes = 10 * 1024 * 1024;
const olderFiles = 4;

/** `path` is `DIR/NAME.log`; the files are `DIR/NAME.1.log` and so on, counting on from those of earlier runs. Throws where none can be made. */
export function openRollingFile(path: string): Writable {
  return new RollingFile(path);
}

class RollingFile extends Writable {
  readonly #directory: string;
  readonly #name: string;
  readonly #extension: string;
  #number: number;
  #descriptor: number;
  #sizeBytes: number;

  constructor(path: string) {
    super({ decodeStrings: true });
    this.#directory = dirname(path);
    this.#extension = extname(path);
    this.#name = basename(path, this.#extension);
    mkdirSync(this.#directory, { recursive: true });
    this.#number = Math.max(1, ...this.#numbers());
    ({ descriptor: this.#descriptor, sizeBytes: this.#sizeBytes } = this.#open());
    this.#removeOld();
  }

  override _write(line: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    try {
      if (this.#sizeBytes > 0 && this.#sizeBytes + line.length > longestFileBytes) this.#roll();
      for (let at = 0; at < line.length;) at += writeSync(this.#descriptor, line, at);
      this.#sizeBytes += line.length;
    } catch {
      // A full disk costs lines of the log, never the host.
    }
    done();
  }

  override _final(done: (error?: Error) => void): void {
    closeSync(this.#descriptor);
    done();
  }

  #roll(): void {
    const before = this.#descriptor;
    this.#number += 1;
    try {
      ({ descriptor: this.#descriptor, sizeBytes: this.#sizeBytes } = this.#open());
    } catch (error) {
      this.#number -= 1;
      throw error;
    }
    closeSync(before);
    this.#removeOld();
  }

  #open(): { descriptor: number; sizeBytes: number } {
    const path = this.#pathOf(this.#number);
    const descriptor = openSync(path, 'a', 0o600);
    return { descriptor, sizeBytes: statSync(path).size };
  }

  #removeOld(): void {
    for (const number of this.#numbers()) {
      if (number < this.#number - olderFiles) rmSync(this.#pathOf(number), { force: true });
    }
  }

  #pathOf(number: number): string {
    return join(this.#directory, `${this.#name}.${number}${this.#extension}`);
  }

  #numbers(): number[] {
    return readdirSync(this.#directory).flatMap((entry) => {
      const isOurs = entry.startsWith(`${this.#name}.`) && entry.endsWith(this.#extension);
      const middle = isOurs ? entry.slice(this.#name.length + 1, -this.#extension.length) : '';
      return /^[1-9]\d{0,9}$/.test(middle) ? [Number(middle)] : [];
    });
  }
}
