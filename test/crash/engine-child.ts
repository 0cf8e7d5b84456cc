// The parent's side of an engine process: starts it, gives orders, and knows whether it still lives. Used by crash-world.ts.

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { EngineConfig } from './engine-process.ts';
import type { EngineAnswer, KillPoint, ToEngineProcess } from './engine-protocol.ts';

/** The engine ended before it answered; expected of one that was told to kill itself. */
export class EngineDied extends Error {}

interface Waiter {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export class EngineChild {
  readonly port: number;
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #waiters: Map<number, Waiter>;
  #nextId = 1;
  /** Resolves to the signal that ended it. */
  readonly ended: Promise<string | null>;

  private constructor(
    child: ChildProcess,
    waiters: Map<number, Waiter>,
    port: number,
    ended: Promise<string | null>,
  ) {
    this.#process = child;
    this.#waiters = waiters;
    this.port = port;
    this.pid = child.pid ?? -1;
    this.ended = ended;
  }

  /** Rejects with EngineDied, or with what the engine says of why it cannot open. */
  static async start(
    config: EngineConfig,
    token: string,
    killAt: KillPoint | null = null,
  ): Promise<EngineChild> {
    const child = fork(fileURLToPath(new URL('engine-process.ts', import.meta.url)), {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, HF_TOKEN: token, NODE_COMPILE_CACHE: config.compileCacheDir, NODE_OPTIONS: '' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const waiters = new Map<number, Waiter>();
    const ended = once(child, 'exit').then(([, signal]: unknown[]) => {
      for (const waiter of waiters.values()) waiter.reject(new EngineDied(`ended by ${String(signal)}`));
      waiters.clear();
      return typeof signal === 'string' ? signal : null;
    });
    child.on('message', (answer: EngineAnswer) => {
      const waiter = waiters.get(answer.id);
      waiters.delete(answer.id);
      if (answer.error === null) waiter?.resolve(answer.value);
      else waiter?.reject(new Error(answer.error));
    });
    child.on('error', () => undefined);
    const starting = new EngineChild(child, waiters, 0, ended);
    try {
      const port = Number(await starting.order({ type: 'open', config, killAt }));
      const started = new EngineChild(child, waiters, port, ended);
      started.#nextId = starting.#nextId;
      return started;
    } catch (error) {
      child.kill('SIGKILL');
      await ended;
      throw error;
    }
  }

  order(order: ToEngineProcess): Promise<unknown> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      if (this.#process.exitCode !== null || this.#process.signalCode !== null || !this.#process.connected) {
        reject(new EngineDied('ended before'));
        return;
      }
      this.#waiters.set(id, { resolve, reject });
      this.#process.send({ id, order });
    });
  }

  /** Its connections are closed, or about to be. */
  get isDead(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null || !this.#process.connected;
  }

  /** Ends it in good order. */
  async close(): Promise<void> {
    await this.order({ type: 'close' });
    await this.ended;
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }
}
