// A server as the rows see it: one connection of the load generator’s process and the handles on it.

import type { BenchChild } from '../child.ts';
import type { Measured } from './load-connection.ts';
import type { Listed } from './load-child.ts';
import type { LoadSpec } from './workloads.ts';

const loadModule = new URL('./load-child.ts', import.meta.url);

export interface ServerAddress {
  readonly port: number;
  /** The same as `port` if missing. */
  readonly mountPort?: number;
  readonly exportPath: string;
}

export class LoadTarget {
  readonly root: Uint8Array;
  readonly #child: BenchChild;
  readonly #connection: number;

  private constructor(child: BenchChild, connection: number, root: Uint8Array) {
    this.#child = child;
    this.#connection = connection;
    this.root = root;
  }

  static async open(child: BenchChild, { port, mountPort, exportPath }: ServerAddress): Promise<LoadTarget> {
    const root = await child.call<Uint8Array>(loadModule, 'mount', { port: mountPort ?? port, exportPath });
    const connection = await child.call<number>(loadModule, 'connect', { port });
    return new LoadTarget(child, connection, root);
  }

  lookUp(path: string, dir: Uint8Array = this.root): Promise<Uint8Array> {
    return this.#child.call(loadModule, 'lookUp', { connection: this.#connection, dir, path });
  }

  makeFolder(name: string, dir: Uint8Array = this.root): Promise<Uint8Array> {
    return this.#child.call(loadModule, 'makeFolder', { connection: this.#connection, dir, name });
  }

  /** Rejects with VerificationError where a reply is wrong. */
  run(spec: LoadSpec): Promise<Measured> {
    return this.#child.call(loadModule, 'run', { connection: this.#connection, spec });
  }

  preferredPageBytes(): Promise<number> {
    return this.#child.call(loadModule, 'preferredPageBytes', {
      connection: this.#connection,
      root: this.root,
    });
  }

  list(options: {
    readonly dir: Uint8Array;
    readonly pageBytes: number;
    readonly expected: number;
    readonly isVerified: boolean;
  }): Promise<Listed> {
    return this.#child.call(loadModule, 'list', { connection: this.#connection, ...options });
  }
}
