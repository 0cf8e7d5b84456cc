// Notices that another client changed the source: by pushed events where the Hub has them, else by a cheap probe. What changed
// is looked at again through the remote tree. Also knows whether the Hub can be reached. Used by the facade.

import { HubError, type RemoteChange, type RemoteStore } from '../../hub/remote-store.ts';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import { applySchema } from '../storage/catalogue-database.ts';
import { inodeFlag } from '../namespace/inode-columns.ts';
import type { NamespaceContext } from '../namespace/namespace-context.ts';
import { dropSurplus } from '../namespace/namespace-remote.ts';
import { directoryAt } from '../namespace/namespace-uploads.ts';
import type { CatalogueDatabase } from '../parts.ts';
import type { RemoteTree } from './remote-tree.ts';

const schema = [
  'CREATE TABLE remote_state (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID',
];
const reconnectDelaysMs = [1_000, 2_000, 5_000, 15_000, 30_000, 60_000] as const;
/** Events that name more paths than this are cheaper to answer by listing. */
const mostConfirmedPaths = 500;

export interface PollStatus {
  readonly online: boolean;
  /** Why the Hub cannot be reached, in words; null while online. */
  readonly reason: string | null;
  /** Milliseconds since the epoch of the last answer to a probe or event; null before the first. */
  readonly checkedAt: number | null;
  readonly mode: 'events' | 'polling';
  readonly lastError: string | null;
}

export class RemotePoller {
  readonly #context: NamespaceContext;
  readonly #tree: RemoteTree;
  readonly #remote: RemoteStore;
  readonly #database: CatalogueDatabase;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #intervalMs: number;
  readonly #abort = new AbortController();
  #timer: Timer | null = null;
  #round: Promise<void> | null = null;
  #stream: Promise<void> | null = null;
  /** Monotonic time since when events come; null while they do not. */
  #streamSince: number | null = null;
  /** Why there is no stream, as it was logged; null while there is one. */
  #streamTrouble: string | null = null;
  #probedAt: number | null = null;
  /** Everything known agreed with the Hub as of this token. */
  #token: string | null;
  #savedToken: string | null;
  /** A newer token whose changes came, or are about to come, as events. */
  #followedToken: string | null = null;
  #reason: string | null = null;
  #lastError: string | null = null;
  #checkedAt: number | null = null;

  constructor(
    context: NamespaceContext,
    tree: RemoteTree,
    options: {
      readonly remote: RemoteStore;
      readonly database: CatalogueDatabase;
      readonly intervalMs: number;
    },
  ) {
    this.#context = context;
    this.#tree = tree;
    this.#remote = options.remote;
    this.#database = options.database;
    this.#intervalMs = options.intervalMs;
    this.#clock = context.clock;
    this.#log = context.log;
    applySchema(this.#database, 'remote', schema);
    const row = this.#database.handle.prepare("SELECT value FROM remote_state WHERE name = 'token'").get();
    this.#token = this.#savedToken = typeof row?.['value'] === 'string' ? row['value'] : null;
  }

  start(): void {
    void this.#startRound();
    this.#stream = this.#follow();
  }

  /** Probes at once; resolves when everything known agrees with the Hub, rejects where it cannot be reached. */
  async refresh(): Promise<void> {
    if (this.#round !== null) await this.#round.catch(() => undefined);
    this.#probedAt = null;
    await (this.#round ?? this.#startRound());
  }

  status(): PollStatus {
    return {
      online: this.#reason === null,
      reason: this.#reason,
      checkedAt: this.#checkedAt,
      mode: this.#streamSince === null ? 'polling' : 'events',
      lastError: this.#lastError,
    };
  }

  /** Any call to the Hub ended: `null` for success. */
  noteOutcome(error: unknown): void {
    if (this.#abort.signal.aborted) return;
    if (error === null) {
      if (this.#reason !== null) this.#log.info('The Hub can be reached again');
      this.#reason = null;
      return;
    }
    const message = error instanceof Error ? error.message : 'an unknown failure';
    this.#lastError = message;
    // A full disk or a folder renamed while it was listed says nothing about the Hub.
    if (!(error instanceof HubError)) return;
    if (this.#reason === null) this.#log.warn('The Hub cannot be reached', { cause: message });
    this.#reason = message;
  }

  // ---- probing ------------------------------------------------------------------------------------------------------------

  /** The failure of a round is noted here; who started it may look at it, too. */
  #startRound(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    const round = this.#probe().finally(() => {
      this.#round = null;
      if (this.#abort.signal.aborted) return;
      this.#timer = this.#clock.schedule(this.#intervalMs, () => void this.#startRound());
    });
    this.#round = round;
    round.catch((error: unknown) => this.noteOutcome(error));
    return round;
  }

  async #probe(): Promise<void> {
    // A first listing that runs already may be older than the token.
    const running = this.#tree.listingNow();
    const areEventsTrusted = this.#areEventsTrusted();
    this.#probedAt = this.#clock.monotonic();
    const token = await this.#remote.probe(this.#abort.signal);
    this.#checkedAt = this.#clock.now();
    this.noteOutcome(null);
    if (token !== this.#token && !(areEventsTrusted && this.#streamSince !== null)) {
      await this.#tree.relist([...this.#tree.knownDirectories(), ...running]);
      this.#token = token;
      this.#followedToken = null;
    } else {
      // One round behind, so that an event lost with its stream is found by listing.
      if (this.#followedToken !== null) this.#token = this.#followedToken;
      this.#followedToken = token === this.#token ? null : token;
      await this.#tree.relistPartial();
    }
    this.#saveToken();
    dropSurplus(this.#context);
  }

  /** The stream was already established when the last probe was sent, so every later change is an event. */
  #areEventsTrusted(): boolean {
    if (this.#streamSince === null || this.#probedAt === null) return false;
    return this.#probedAt - this.#streamSince >= this.#intervalMs;
  }

  /** Only after everything was listed: a restart in between must look again. */
  #saveToken(): void {
    const token = this.#token;
    if (token === null || token === this.#savedToken || this.#tree.isPartial) return;
    if (this.#abort.signal.aborted) return;
    this.#savedToken = token;
    this.#database.transaction(() => {
      this.#database.handle
        .prepare("INSERT OR REPLACE INTO remote_state (name, value) VALUES ('token', ?)")
        .run(token);
    });
  }

  // ---- events -------------------------------------------------------------------------------------------------------------

  async #follow(): Promise<void> {
    const { signal } = this.#abort;
    for (let attempts = 0; !signal.aborted; attempts += 1) {
      const changes = this.#remote.changes(signal);
      if (changes === null) return;
      try {
        for await (const change of changes) {
          attempts = 0;
          // Not before: a stream that never comes to life must not keep the probes from listing.
          this.#streamSince ??= this.#clock.monotonic();
          this.#streamTrouble = null;
          this.#checkedAt = this.#clock.now();
          await this.#apply(change);
        }
      } catch (error) {
        this.#noteStreamLost(error);
      } finally {
        this.#streamSince = null;
        this.#followedToken = null;
      }
      if (signal.aborted) return;
      await this.#pause(reconnectDelaysMs[Math.min(attempts, reconnectDelaysMs.length - 1)] ?? 60_000);
      // Events may have been missed in between; the probe tells.
      if (!signal.aborted && this.#round === null) void this.#startRound();
    }
  }

  /** Says nothing about the Hub: it may just have no such stream. The probes tell whether it can be reached. */
  #noteStreamLost(error: unknown): void {
    const cause = error instanceof Error ? error.message : String(error);
    if (this.#abort.signal.aborted || cause === this.#streamTrouble) return;
    this.#streamTrouble = cause;
    this.#log.info('The Hub does not tell of changes; it is asked from time to time', { cause });
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(delayMs, done);
      this.#abort.signal.addEventListener('abort', done, { once: true });
      const { signal } = this.#abort;
      function done(): void {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  async #apply(change: RemoteChange): Promise<void> {
    try {
      await this.#lookAt(change);
    } catch (error) {
      this.noteOutcome(error);
      throw error;
    }
  }

  async #lookAt(change: RemoteChange): Promise<void> {
    if (change.paths === null || change.paths.length > mostConfirmedPaths) {
      await this.#tree.relist(this.#tree.knownDirectories());
      return;
    }
    const files = new Map<number, Set<string>>();
    const directories = new Set<number>();
    for (const path of change.paths) this.#sort(path, files, directories);
    await this.#tree.relist([...directories]);
    for (const [directory, names] of files) await this.#tree.confirm(directory, [...names]);
  }

  /** A path in a known folder is asked for alone; one in an unknown folder may have made that folder appear. */
  #sort(path: string, files: Map<number, Set<string>>, directories: Set<number>): void {
    const { tree } = this.#context;
    const segments = path.split('/');
    const name = segments.pop() ?? '';
    const { slot, isExact } = directoryAt(this.#context, segments);
    if (!tree.hasFlag(slot, inodeFlag.listed)) return;
    const ino = tree.index.inoOf(slot);
    if (!isExact) {
      directories.add(ino);
      return;
    }
    const names = files.get(ino) ?? new Set<string>();
    files.set(ino, names.add(name));
  }

  async close(): Promise<void> {
    this.#abort.abort();
    this.#timer?.cancel();
    await Promise.allSettled([this.#round, this.#stream]);
  }
}
