// Owns all mounts: finds the one a person means, carries out their requests by events to its controller, restores the set at start and
// looks after it (ejected mounts, repeated tries, the way out). What one mount does is in MountController.

import { formatSource, parseSource } from '../../hub/source.ts';
import type { SourceSpec } from '../../hub/source.ts';
import type { MountArgument, UnmountArgument } from '../../shared/contract.ts';
import type { Clock, Log, Timer } from '../../shared/log.ts';
import type { MountView, Problem } from '../../shared/model.ts';
import { detachForeign } from './leftover-mounts.ts';
import type { MountController } from './mount-controller.ts';
import { isAtRest } from './mount-machine.ts';
import type { MountState } from './mount-machine.ts';
import { mountIdOf, newMountRecord } from './mount-records.ts';
import type { MountRecord, MountRecords } from './mount-records.ts';
import { isNfsOf } from '../system/mount-table.ts';
import type { MountTableEntry } from '../system/mount-table.ts';
import type { OsMountDriver } from '../system/os-mount.ts';
import { HostError } from '../problem.ts';
import { RetryPlan } from './retry-plan.ts';

export interface ManagerOptions {
  readonly records: MountRecords;
  /** Names the Hub in records: its URL, or `demo`. */
  readonly hub: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly systemDriver: OsMountDriver;
  readonly restoreMounts: () => boolean;
  readonly createController: (record: MountRecord) => MountController;
  /** Follows links and applies the rules; null asks for the default place. */
  readonly placeMount: (
    spec: SourceSpec,
    wanted: string | null,
    isTaken: (path: string) => boolean,
    table: readonly MountTableEntry[],
  ) => Promise<string>;
  /** Whether there is a local catalogue of that mount, perhaps with something unsent. */
  readonly hasData: (id: string) => Promise<boolean>;
  /** Deletes the names and unsent bytes of a mount that does not run. */
  readonly discardUnsent: (id: string) => Promise<void>;
  /** Deletes a mount's local catalogue. */
  readonly removeData: (id: string) => Promise<void>;
  readonly onChange: () => void;
}

/** How soon a mount that somebody ejects is noticed. Reading the table costs microseconds. */
const tableCheckMs = 5000;

const nothingUnsent = { files: 0, bytes: 0 };

export class MountManager {
  readonly #options: ManagerOptions;
  readonly #controllers = new Map<string, MountController>();
  readonly #retries: RetryPlan;
  #tableTimer: Timer | null = null;
  #quitting = false;

  constructor(options: ManagerOptions) {
    this.#options = options;
    this.#retries = new RetryPlan(options.clock, (id) => this.#retry(id));
  }

  views(): readonly MountView[] {
    return [...this.#controllers.values()].map((controller) => controller.view());
  }

  all(): readonly MountController[] {
    return [...this.#controllers.values()];
  }

  byId(id: string): MountController {
    const controller = this.#controllers.get(id);
    if (controller === undefined) throw new HostError('not-found', `There is no mount with the id “${id}”`);
    return controller;
  }

  /** Takes up remembered mounts: serves what a dead run left mounted, mounts what was mounted, delivers what was not sent. */
  async restore(): Promise<void> {
    const table = await this.#options.systemDriver.table();
    for (const record of this.#options.records.all()) {
      const isLeftover = isInTable(record, table);
      if (record.hub !== this.#options.hub) {
        if (isLeftover) void detachForeign(record, this.#options);
        continue;
      }
      const controller = this.#adopt(record);
      if (isLeftover) {
        this.#options.log.info('A mount of an earlier run is taken up again', { source: record.source });
        controller.dispatch({ type: 'orphanFound' });
        controller.dispatch({ type: 'mountRequested' });
      } else if (record.wanted && this.#options.restoreMounts())
        controller.dispatch({ type: 'mountRequested' });
      else if (record.unsent.files > 0) controller.dispatch({ type: 'deliverRequested' });
    }
    this.#scheduleTableCheck();
  }

  /** Resolves when it is mounted. Aborting `gone` gives up an attempt that this call began. */
  async mount(argument: MountArgument, gone: AbortSignal): Promise<MountView> {
    if (this.#quitting) throw new HostError('cancelled', 'The host is about to quit');
    const spec = parseSource(argument.source, argument.revision);
    const id = mountIdOf(spec, this.#options.hub);
    const existing = this.#controllers.get(id);
    if (existing !== undefined) {
      await existing.waitFor((state) => state.name !== 'detaching', gone);
      if (!isAtRest(existing.state)) refuseOtherOptions(existing, argument);
    }
    const isFree = existing === undefined || canMove(existing.state);
    const place = isFree ? await this.#place(spec, id, argument) : null;
    const isNew = existing === undefined && !(await this.#options.hasData(id));
    const controller =
      this.#controllers.get(id) ?? this.#adopt(newMountRecord(spec, this.#options.hub, argument));
    if (place !== null) await controller.changeRecord(place);
    this.#retries.cancel(id);
    const isOurs = isAtRest(controller.state);
    controller.dispatch({ type: 'mountRequested' });
    const state = await this.#awaitMounted(controller, gone, isOurs);
    if (state.name !== 'mounted') {
      if (isNew) await this.#dropNeverMounted(controller);
      throw problemToError(problemOfState(state), argument.source);
    }
    await controller.changeRecord({ wanted: true });
    return controller.view();
  }

  async unmount(argument: UnmountArgument): Promise<MountView> {
    const controller = this.find(argument.target);
    const { source } = controller.record;
    const before = controller.state;
    if (before.name === 'idle' || before.name === 'failed') {
      if (argument.discard && controller.record.unsent.files > 0) return this.#discard(controller, argument);
      if (before.name === 'idle') throw new HostError('not-found', `“${source}” is not mounted`);
    }
    const wasWanted = controller.record.wanted;
    this.#retries.cancel(controller.record.id);
    await controller.changeRecord({ wanted: false });
    controller.dispatch({
      type: 'unmountRequested',
      discard: argument.discard,
      ifUnsent: argument.ifUnsent === 'stay' ? 'stay' : 'keep',
      force: argument.force,
    });
    if (argument.ifUnsent === 'keep-now') controller.dispatch({ type: 'keepStaged' });
    const state = await controller.waitFor((now) => now.name === 'mounted' || isDetached(now));
    if (state.name === 'mounted' || state.name === 'orphaned') {
      await controller.changeRecord({ wanted: wasWanted });
      const problem = problemOfState(state);
      throw problemToError(
        problem ?? { code: 'cancelled', message: 'The unmount was called off', retryable: false },
        source,
      );
    }
    await (isAtRest(state) ? controller.settled() : controller.engine.refresh());
    return controller.view();
  }

  /** Nothing of it runs: its names and unsent bytes are deleted. */
  async #discard(controller: MountController, { confirmed }: UnmountArgument): Promise<MountView> {
    const { id, source, unsent } = controller.record;
    if (confirmed !== true) {
      throw new HostError(
        'unsent',
        `“${source}” is not mounted and has ${unsent.files} local changes that are not on the Hub; mount it to send them, or confirm that they are to be deleted for good (--yes)`,
      );
    }
    this.#retries.cancel(id);
    controller.dispatch({ type: 'dismissed' });
    await controller.settled();
    if (!isAtRest(controller.state))
      throw new HostError('busy', `“${source}” is ${controller.state.name} again`);
    // Somebody may mount it again while its space on the disk is given back.
    const discarded = this.#options.discardUnsent(id);
    controller.engine.rememberUnsent(nothingUnsent);
    await Promise.all([discarded, controller.changeRecord({ unsent: nothingUnsent, wanted: false })]);
    this.#options.log.warn('Unsent changes were discarded', { source, ...unsent });
    return controller.view();
  }

  cancel(id: string): void {
    this.#retries.cancel(id);
    this.byId(id).dispatch({ type: 'cancelled' });
  }

  async forget(id: string): Promise<void> {
    const controller = this.byId(id);
    const { source, unsent } = controller.record;
    if (controller.state.name !== 'idle' && controller.state.name !== 'failed') {
      throw new HostError('busy', `“${source}” is ${controller.state.name}; unmount it first`);
    }
    await controller.settled();
    if (unsent.files > 0) {
      throw new HostError(
        'unsent',
        `“${source}” has ${unsent.files} local changes that are not on the Hub; mount it to send them`,
      );
    }
    this.#retries.cancel(id);
    controller.forget();
    this.#controllers.delete(id);
    await this.#options.records.remove(id);
    await this.#options.removeData(id);
    this.#options.onChange();
  }

  /** By id, mount point or source. */
  find(target: string): MountController {
    const trimmed = target.length > 1 ? target.replace(/\/+$/, '') : target;
    const byId = this.#controllers.get(trimmed);
    if (byId !== undefined) return byId;
    const byPath = this.all().find((controller) => controller.record.mountPoint === trimmed);
    if (byPath !== undefined) return byPath;
    const bySource = trimmed.startsWith('/') ? [] : this.#bySource(trimmed);
    const [only, ...others] = bySource;
    if (only === undefined)
      throw new HostError('not-found', `“${target}” is not a known mount; see: hubdrive status`);
    if (others.length === 0) return only;
    const active = bySource.filter((controller) => !isAtRest(controller.state));
    if (active.length === 1 && active[0] !== undefined) return active[0];
    throw new HostError(
      'invalid',
      `“${target}” is mounted in several revisions; name the mount point instead`,
    );
  }

  targets(target: string | null): readonly MountController[] {
    return target === null ? this.all() : [this.find(target)];
  }

  /**
   * Unmounts everything, keeps what is unsent after `drainTimeoutMs`, resolves when nothing of ours runs. A mount that the
   * system does not let go, even forced, is left for the next start to serve again.
   */
  async quit(): Promise<void> {
    this.#quitting = true;
    this.#tableTimer?.cancel();
    this.#retries.cancelAll();
    for (const controller of this.all()) controller.dispatch({ type: 'quit' });
    await Promise.all(
      this.all().map(async (controller) => {
        const state = await controller.waitFor((now) => isAtRest(now) || now.name === 'mounted');
        await (state.name === 'mounted' ? controller.abandon() : controller.settled());
      }),
    );
  }

  /** Ends the waiting of `quit`: what is unsent stays for the next start, busy mounts are forced. */
  hurry(): void {
    for (const controller of this.all()) controller.dispatch({ type: 'keepStaged' });
  }

  /** The network is back or the machine woke up: what waits for another try is tried at once. */
  async nudge(): Promise<void> {
    if (this.#quitting) return;
    this.#retries.hurry();
    const running = this.all().filter((controller) => controller.engine.isRunning);
    await Promise.all(running.map((controller) => controller.engine.current.retryNow(null)));
  }

  #bySource(text: string): readonly MountController[] {
    const source = formatSource(parseSource(text));
    return this.all().filter((controller) => controller.record.source === source);
  }

  async #place(spec: SourceSpec, id: string, argument: MountArgument): Promise<Partial<MountRecord>> {
    const { readOnly, serverOnly } = argument;
    if (serverOnly) return { readOnly, serverOnly, mountPoint: null };
    const remembered = this.#options.records.find(id)?.mountPoint ?? null;
    const isTaken = (path: string) =>
      this.all().some((other) => other.record.id !== id && other.record.mountPoint === path);
    const table = await this.#options.systemDriver.table();
    const mountPoint = await this.#options.placeMount(
      spec,
      argument.mountPoint ?? remembered,
      isTaken,
      table,
    );
    if (isTaken(mountPoint)) {
      throw new HostError(
        'mount-point',
        `“${mountPoint}” is the mount point of another mount; name another folder`,
      );
    }
    return { readOnly, serverOnly, mountPoint };
  }

  #adopt(record: MountRecord): MountController {
    const controller = this.#options.createController(record);
    this.#controllers.set(record.id, controller);
    return controller;
  }

  /** A misspelt source leaves no trace. */
  async #dropNeverMounted(controller: MountController): Promise<void> {
    await controller.settled();
    const { id, unsent } = controller.record;
    if (unsent.files > 0 || !isAtRest(controller.state) || controller.state.name === 'orphaned') return;
    this.#controllers.delete(id);
    await this.#options.records.remove(id);
    await this.#options.removeData(id);
    this.#options.onChange();
  }

  async #awaitMounted(controller: MountController, gone: AbortSignal, isOurs: boolean): Promise<MountState> {
    try {
      return await controller.waitFor((state) => state.name === 'mounted' || isAtRest(state), gone);
    } catch (error) {
      if (isOurs) controller.dispatch({ type: 'cancelled' });
      throw error;
    }
  }

  /** Called on every change of any mount: plans the next try of one that should be there and is not. */
  noteChange(controller: MountController): void {
    const { state, record } = controller;
    if (state.name === 'mounted') this.#retries.reset(record.id);
    const problem = problemOfState(state);
    const shouldRun = record.wanted || record.unsent.files > 0 || state.name === 'orphaned';
    // What is unsent is tried for ever, and so is a mount that programs wait for: somebody may log in again, or give the right back.
    const mustRun = record.unsent.files > 0 || state.name === 'orphaned';
    const canHelp = problem !== null && (problem.retryable || mustRun);
    if (this.#quitting || !canHelp || !shouldRun) return;
    if (state.name === 'failed' || state.name === 'orphaned') this.#retries.plan(record.id);
  }

  #retry(id: string): void {
    const controller = this.#controllers.get(id);
    if (controller === undefined || this.#quitting) return;
    const isMountWanted = controller.record.wanted || controller.state.name === 'orphaned';
    controller.dispatch({ type: isMountWanted ? 'mountRequested' : 'deliverRequested' });
  }

  #scheduleTableCheck(): void {
    this.#tableTimer = this.#options.clock.schedule(tableCheckMs, () => void this.#checkTable());
  }

  async #checkTable(): Promise<void> {
    try {
      for (const controller of this.all()) await controller.checkStillMounted();
    } catch (error) {
      this.#options.log.warn('The table of mounts could not be checked', { cause: String(error) });
    }
    if (!this.#quitting) this.#scheduleTableCheck();
  }
}

function isInTable({ mountPoint, exportPath }: MountRecord, table: readonly MountTableEntry[]): boolean {
  return (
    exportPath !== null &&
    table.some((entry) => entry.mountPoint === mountPoint && isNfsOf(entry, exportPath))
  );
}

function isDetached(state: MountState): boolean {
  return isAtRest(state) || (state.name === 'draining' && !state.attached);
}

function problemOfState(state: MountState): Problem | null {
  return 'problem' in state ? state.problem : null;
}

function problemToError(problem: Problem | null, source: string): HostError {
  if (problem === null) return new HostError('cancelled', `“${source}”: mounting was called off`);
  const { code, message, retryable, programs } = problem;
  return new HostError(code, message, programs === undefined ? { retryable } : { retryable, programs });
}

/** Its mount point may be another one: there is no system mount. */
function canMove(state: MountState): boolean {
  return state.name === 'idle' || state.name === 'failed' || (state.name === 'draining' && !state.attached);
}

function refuseOtherOptions({ record, state }: MountController, argument: MountArgument): void {
  const differs =
    record.readOnly !== argument.readOnly ||
    record.serverOnly !== argument.serverOnly ||
    (argument.mountPoint !== null && record.mountPoint !== argument.mountPoint && !canMove(state));
  if (!differs) return;
  const where = record.mountPoint ?? 'as a server only';
  throw new HostError(
    'conflict',
    `“${record.source}” is mounted already (${where}) in another way; unmount it first`,
  );
}
