// An engine without a thread, a Hub or a network: does what the test says and remembers what was asked. For tests of the host.

import type { ConflictSettlement } from '../../src/main/engine/settle-conflict.ts';
import type {
  Engine,
  EngineFactory,
  EngineListener,
  EngineSource,
  EngineSpec,
  ListenOptions,
} from '../../src/main/engine/engine.ts';
import { EngineError } from '../../src/main/engine/engine.ts';
import { zeroCounters } from '../../src/shared/model.ts';
import type { PendingTotals, Problem } from '../../src/shared/model.ts';
import type { PendingItem } from '../../src/vfs/parts.ts';

export class FakeEngine implements Engine {
  readonly spec: EngineSpec;
  readonly listener: EngineListener;
  readonly #world: FakeEngines;
  listening: ListenOptions | null = null;
  windowOpen = false;
  paused = false;
  closed = false;
  #isOpen = false;

  constructor(spec: EngineSpec, listener: EngineListener, world: FakeEngines) {
    this.spec = spec;
    this.listener = listener;
    this.#world = world;
  }

  async open(): Promise<EngineSource> {
    this.#world.note('open');
    await this.#world.gate('open');
    if (this.#world.openProblem !== null) throw new EngineError(this.#world.openProblem);
    this.#isOpen = true;
    void this.report();
    return { name: 'demo/work', identifier: 'bucket/1', writable: true };
  }

  async listen(options: ListenOptions): Promise<number> {
    this.#world.note(`listen ${options.port}`);
    await this.#world.gate('listen');
    this.listening = options;
    return options.port;
  }

  setMountWindow(open: boolean): Promise<void> {
    this.#world.note(open ? 'window open' : 'window closed');
    this.windowOpen = open;
    return Promise.resolve();
  }

  watch(watched: boolean): void {
    this.#world.watched = watched;
  }

  pending(): Promise<{ readonly items: readonly PendingItem[]; readonly omitted: number }> {
    return Promise.resolve({ items: this.#world.pendingItems, omitted: 0 });
  }

  async flush(signal: AbortSignal): Promise<void> {
    this.#world.note('flush');
    await Promise.race([
      this.#world.gate('flush'),
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new EngineError(cancelled)), { once: true });
      }),
    ]);
    if (this.#world.flushProblem !== null) throw new EngineError(this.#world.flushProblem);
    this.#world.pending = { files: 0, bytes: 0 };
    void this.report();
  }

  retryNow(itemId: string | null): Promise<void> {
    this.#world.note(`retry ${itemId ?? 'all'}`);
    return Promise.resolve();
  }

  discard(itemId: string | null): Promise<void> {
    this.#world.note(`discard ${itemId ?? 'all'}`);
    this.#world.pending = { files: 0, bytes: 0 };
    return Promise.resolve();
  }

  setPaused(paused: boolean): Promise<void> {
    this.#world.note(paused ? 'pause' : 'resume');
    this.paused = paused;
    return Promise.resolve();
  }

  settleConflict({ path, keep }: ConflictSettlement): Promise<void> {
    this.#world.note(`keep ${keep} of ${path}`);
    return Promise.resolve();
  }

  close(): Promise<PendingTotals | null> {
    this.#world.note('close');
    this.closed = true;
    this.listening = null;
    return Promise.resolve(this.#isOpen ? this.#world.pending : null);
  }

  report(): Promise<void> {
    this.listener.status({
      counters: zeroCounters,
      pending: this.#world.pending,
      online: this.#world.online,
      lastActivityAt: null,
      failing: null,
    });
    return Promise.resolve();
  }

  /** The thread dies. */
  crash(): void {
    this.closed = true;
    this.listener.lost(new Error('it crashed'));
  }
}

const cancelled: Problem = { code: 'cancelled', message: 'cancelled', retryable: false };

type Step = 'open' | 'listen' | 'flush';

export class FakeEngines {
  readonly engines: FakeEngine[] = [];
  readonly calls: string[] = [];
  pending: PendingTotals = { files: 0, bytes: 0 };
  pendingItems: readonly PendingItem[] = [];
  openProblem: Problem | null = null;
  flushProblem: Problem | null = null;
  online = true;
  watched = false;
  readonly #held = new Map<Step, { readonly promise: Promise<void>; readonly release: () => void }>();

  readonly create: EngineFactory = (spec, listener) => {
    const engine = new FakeEngine(spec, listener, this);
    this.engines.push(engine);
    return engine;
  };

  get newest(): FakeEngine {
    const engine = this.engines.at(-1);
    if (engine === undefined) throw new Error('no engine was made yet');
    return engine;
  }

  note(call: string): void {
    this.calls.push(call);
  }

  /** The step does not finish until `release`. */
  hold(step: Step): void {
    let release: () => void = () => undefined;
    const promise = new Promise<void>((resolve) => (release = resolve));
    this.#held.set(step, { promise, release });
  }

  release(step: Step): void {
    this.#held.get(step)?.release();
    this.#held.delete(step);
  }

  gate(step: Step): Promise<void> {
    return this.#held.get(step)?.promise ?? Promise.resolve();
  }
}
