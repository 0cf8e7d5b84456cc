// The composition root without any shell: builds settings, records, mounts, feed and control socket, and takes them down in reverse. The
// command `serve` and the tray application both run exactly this.

import { readFile, rm, stat } from 'node:fs/promises';
import { homedir, hostname, release } from 'node:os';
import { join } from 'node:path';
import { createBandwidthAccount, setBandwidthLimits } from '../hub/bandwidth.ts';
import { parseSource } from '../hub/source.ts';
import { discardUnsent } from '../vfs/content/unsent-totals.ts';
import type { Handlers } from '../shared/contract.ts';
import { systemClock } from '../shared/log.ts';
import type { Clock, Log } from '../shared/log.ts';
import type { DoctorReport, HostState, Settings } from '../shared/model.ts';
import type { Places } from '../shared/places.ts';
import { emptyCache, measureCache } from '../vfs/cache/cache-emptying.ts';
import { ActivityFeed } from './surfaces/activity-feed.ts';
import { ActivityMemory } from './surfaces/activity-memory.ts';
import { runCommand } from './system/command-runner.ts';
import type { RunCommand } from './system/command-runner.ts';
import { ConflictNotices } from './surfaces/conflict-notices.ts';
import { ControlServer } from './surfaces/control-server.ts';
import { runDoctor } from './doctor.ts';
import type { EngineFactory } from './engine/engine.ts';
import { createHandlers } from './surfaces/handlers.ts';
import { exportLogs } from './log-export.ts';
import { recoverLostMounts } from './mounts/leftover-mounts.ts';
import { MountController } from './mounts/mount-controller.ts';
import { MountManager } from './mounts/mount-manager.ts';
import { checkMountPoint, defaultMountPoint } from './mounts/mount-point.ts';
import { MountRecords } from './mounts/mount-records.ts';
import type { MountRecord } from './mounts/mount-records.ts';
import { serverOnlyDriver } from './system/os-mount.ts';
import type { OsMountDriver } from './system/os-mount.ts';
import { choosePort, isPortFree, readEphemeralRange } from './system/ports.ts';
import { errnoOf } from './problem.ts';
import { SettingsStore } from './settings.ts';
import type { PanelTools } from './surfaces/panel-handlers.ts';
import { StatePublisher } from './surfaces/state-publisher.ts';
import type { TokenSource } from './account/token-source.ts';
import { unavailablePanelHandlers } from './surfaces/unavailable-handlers.ts';
import type { PanelHandlers } from './surfaces/unavailable-handlers.ts';

export interface HostOptions {
  readonly places: Places;
  readonly version: string;
  readonly endpoint: string;
  /** The endpoint is the embedded Hub. */
  readonly demo: boolean;
  readonly tokens: TokenSource;
  readonly createEngine: EngineFactory;
  readonly driver: OsMountDriver;
  readonly log: Log;
  /** Channels that a shell with a panel adds. */
  readonly panelHandlers?: (tools: PanelTools) => PanelHandlers;
  readonly onSettings?: (settings: Settings) => void;
  /** NFS servers listen here; anything but 127.0.0.1 is for tests. */
  readonly listenHost?: string;
  readonly clock?: Clock;
  readonly run?: RunCommand;
}

export interface Host {
  readonly handlers: Handlers;
  readonly controlSocketPath: string;
  state(): HostState;
  /** The network is back or the machine woke up: tries at once what waits for another try. Never rejects. */
  nudge(): Promise<void>;
  /** Drains, unmounts, closes. Called again while it runs: does not wait any longer for uploads. Resolves when all is closed. */
  quit(now: boolean): Promise<void>;
  /** Resolves after `quit`, whoever asked for it. */
  readonly ended: Promise<void>;
}

export async function startHost(options: HostOptions): Promise<Host> {
  const { places, log, clock = systemClock, listenHost = '127.0.0.1', run = runCommand } = options;
  const settings = await SettingsStore.load(places.dataDir, log);
  const records = await MountRecords.load(places.dataDir, log);
  const ephemeral = await readEphemeralRange(process.platform);
  const hub = options.demo ? 'demo' : options.endpoint;
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  let tokenOrigin: HostState['token'] = (await options.tokens())?.origin ?? 'none';
  let quitting = false;

  const publisher = new StatePublisher(clock, () => ({
    hostVersion: options.version,
    endpoint: options.endpoint,
    demo: options.demo,
    token: tokenOrigin,
    quitting,
    mounts: manager.views().map((view) => {
      const count = conflicts.count(view.id);
      return count === 0 ? view : { ...view, conflicts: count };
    }),
  }));
  const feed = new ActivityFeed((watched) => {
    for (const controller of manager.all()) controller.engine.watch(watched);
  });

  const cacheDir = join(places.cacheDir, 'content');
  const bandwidth = createBandwidthAccount();
  const limitBandwidth = ({ uploadLimitBytesPerSecond: up, downloadLimitBytesPerSecond: down }: Settings) =>
    setBandwidthLimits(bandwidth, { up, down });
  limitBandwidth(settings.current);
  const dataDirOf = (id: string) => join(places.dataDir, 'mounts', id);
  const memory = new ActivityMemory({ dataDirOf, clock, log });
  const conflicts = new ConflictNotices({
    dataDirOf,
    log,
    settle: (id, settlement) => manager.byId(id).engine.current.settleConflict(settlement),
    onChange: () => publisher.changed(),
  });
  const createController = (record: MountRecord): MountController => {
    const controller = new MountController({
      record,
      endpoint: options.endpoint,
      listenHost,
      clock,
      log: withSource(log, record.source),
      driverOf: (current) => (current.serverOnly ? serverOnlyDriver : options.driver),
      createEngine: (current, listener) =>
        options.createEngine(
          {
            endpoint: options.endpoint,
            source: current.source,
            revision: current.revision,
            readOnly: current.readOnly,
            dataDir: dataDirOf(current.id),
            cacheDir,
            cacheLimitBytes: settings.current.cacheLimitBytes,
            pollIntervalMs: settings.current.pollIntervalMs,
            owner: { uid, gid },
            hostName: hostname(),
            userAgent: `hubdrive/${options.version}`,
            bandwidth,
          },
          listener,
        ),
      choosePort: (current) => choosePortFor(current),
      drainTimeoutMs: () => settings.current.drainTimeoutMs,
      saveRecord: (current) => records.save(current),
      onChange: () => {
        manager.noteChange(controller);
        publisher.changed();
      },
      onActivity: (events, dropped) => {
        conflicts.noteActivity(record.id, events);
        memory.note(record.id, events);
        feed.add(record.id, record.source, events, dropped);
      },
    });
    conflicts.load(record.id, record.source).catch((error: unknown) => {
      log.error('The conflicts of a mount could not be read', { source: record.source }, error);
    });
    memory.load(record.id).then(
      (events) => feed.remember(record.id, record.source, events),
      (error: unknown) => {
        log.error('The activity of earlier runs could not be read', { source: record.source }, error);
      },
    );
    if (feed.isWatched) controller.engine.watch(true);
    return controller;
  };

  const choosePortFor = async (record: MountRecord): Promise<number> => {
    const { port } = record;
    if (port !== null && (await isPortFree(listenHost, port))) return port;
    const taken = new Set(records.all().flatMap((other) => (other.port === null ? [] : [other.port])));
    return choosePort({ host: listenHost, taken, ephemeral });
  };

  const manager: MountManager = new MountManager({
    records,
    hub,
    clock,
    log,
    systemDriver: options.driver,
    restoreMounts: () => settings.current.restoreMounts,
    createController,
    placeMount: (spec, wanted, isTaken, table) => {
      const path = wanted ?? defaultMountPoint(spec, settings.current.mountFolder, homedir(), isTaken);
      return checkMountPoint(path, { homeDir: homedir(), dataDir: places.dataDir, uid, table });
    },
    hasData: (id) => stat(dataDirOf(id)).then(() => true, mayExist),
    discardUnsent: (id) => discardUnsent(dataDirOf(id)),
    removeData: (id) => {
      memory.forget(id);
      return rm(dataDirOf(id), { recursive: true, force: true });
    },
    onChange: () => publisher.changed(),
  });

  let ended: () => void = () => undefined;
  const whenEnded = new Promise<void>((resolve) => (ended = resolve));
  let quit: Promise<void> | null = null;
  const beginQuit = (now: boolean): Promise<void> => {
    const isRepeated = quit !== null;
    quitting = true;
    quit ??= takeDown();
    if (now || isRepeated) manager.hurry();
    publisher.changed();
    return quit;
  };
  const takeDown = async () => {
    await manager.quit();
    publisher.close();
    await conflicts.settled();
    await memory.close();
    await control.close();
    ended();
  };

  const doctor = async (): Promise<DoctorReport> => {
    await findTokenOrigin();
    return runDoctor({
      dataDir: places.dataDir,
      endpoint: options.endpoint,
      tokens: options.tokens,
      driver: options.driver,
      run,
      readText: (path) => readFile(path, 'utf8'),
      mounts: manager.views(),
      hostRuns: true,
      fetch: globalThis.fetch,
    });
  };
  const knownSecrets = async (): Promise<readonly string[]> => {
    const token = (await options.tokens())?.token;
    const exports = records.all().map((record) => record.exportPath);
    return [token, ...exports].filter((secret) => typeof secret === 'string');
  };

  const core = createHandlers({
    manager,
    feed,
    publisher,
    conflicts,
    settings,
    onSettings: (changed) => {
      limitBandwidth(changed);
      options.onSettings?.(changed);
    },
    describeCache: () => ({
      folder: cacheDir,
      usedBytes: measureCache(cacheDir, log),
      limitBytes: settings.current.cacheLimitBytes,
    }),
    freeCache: () => emptyCache(cacheDir, log),
    exportLogs: async () =>
      exportLogs({
        logDir: places.logDir,
        exportDir: join(places.dataDir, 'reports'),
        about: {
          versions: {
            hubdrive: options.version,
            node: process.versions.node,
            system: `${process.platform} ${process.arch} ${release()}`,
            hub: options.endpoint,
          },
          settings: settings.current,
          // Whoever knows its export path may mount.
          mounts: manager.views().map(({ nfs, ...view }) => ({ ...view, port: nfs?.port ?? null })),
          diagnostics: (await doctor()).checks,
        },
        secrets: await knownSecrets(),
        now: clock.now(),
      }),
    runDoctor: doctor,
    // The answer goes out before the connection that asked is closed.
    beginQuit: (now) => {
      setImmediate(() => {
        beginQuit(now).catch((error: unknown) => log.error('Quitting failed', {}, error));
      });
    },
  });
  const findTokenOrigin = async (): Promise<void> => {
    tokenOrigin = (await options.tokens())?.origin ?? 'none';
    publisher.changed();
  };
  const panelTools: PanelTools = {
    manager,
    placeOf: (source) => {
      const isTaken = (path: string) => manager.all().some(({ record }) => record.mountPoint === path);
      return defaultMountPoint(parseSource(source), settings.current.mountFolder, homedir(), isTaken);
    },
    onAccount: findTokenOrigin,
  };
  const panelHandlers = options.panelHandlers?.(panelTools) ?? unavailablePanelHandlers;
  const handlers: Handlers = { ...core, ...panelHandlers };
  const { controlSocketPath } = places;
  const control = await ControlServer.start({
    socketPath: controlSocketPath,
    hostVersion: options.version,
    handlers,
    log,
    clock,
  });
  await recoverLostMounts({ mountsDir: join(places.dataDir, 'mounts'), hub, records, log });
  await manager.restore();
  return {
    handlers,
    controlSocketPath,
    state: () => publisher.snapshot(),
    nudge: () =>
      manager.nudge().catch((error: unknown) => {
        log.warn('Not everything that waited could be tried again', { cause: String(error) });
      }),
    quit: beginQuit,
    ended: whenEnded,
  };
}

/** Only what is surely missing is not there. */
function mayExist(error: unknown): boolean {
  return errnoOf(error) !== 'ENOENT';
}

function withSource(log: Log, source: string): Log {
  return {
    debug: (message, fields) => log.debug(message, { source, ...fields }),
    info: (message, fields) => log.info(message, { source, ...fields }),
    warn: (message, fields) => log.warn(message, { source, ...fields }),
    error: (message, fields, cause) => log.error(message, { source, ...fields }, cause),
  };
}
