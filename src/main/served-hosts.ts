// The hosts that one `serve`, or one run of the desktop app, runs one after the other: a person may leave the demo Hub for the real one and
// back, and the panel stays while the host behind it changes. Owns account, panel server and the demo Hub; the shells own the process.

import { join } from 'node:path';
import { systemClock } from '../shared/log.ts';
import type { Settings } from '../shared/model.ts';
import type { Places } from '../shared/places.ts';
import { Account } from './account/account.ts';
import { runCommand } from './system/command-runner.ts';
import { startDemoHub } from './account/demo-hub.ts';
import type { DemoHub } from './account/demo-hub.ts';
import { DeviceSignIn } from './account/device-sign-in.ts';
import { createWorkerEngines } from './engine/worker-engines.ts';
import { startHost } from './host.ts';
import type { Host } from './host.ts';
import { openHubAccess } from './account/hub-access.ts';
import type { HubAccess } from './account/hub-access.ts';
import type { HostLog } from './files/log.ts';
import { createPanelHandlers } from './surfaces/panel-handlers.ts';
import { startPanelServer } from './surfaces/panel-server.ts';
import type { PanelServer } from './surfaces/panel-server.ts';
import type { OsMountDriver } from './system/os-mount.ts';
import { createSystemDriver } from './system/system-driver.ts';
import { fileTokenKeeper } from './account/token-keeper.ts';
import type { TokenKeeper } from './account/token-keeper.ts';
import { demoToken, environmentTokens } from './account/token-source.ts';

export interface ServedHostsOptions {
  readonly places: Places;
  readonly version: string;
  /** The Hub that is not the embedded one. */
  readonly endpoint: string;
  /** Begin with the embedded Hub, whatever was chosen before. */
  readonly demo: boolean;
  /** Null: no panel for browsers. */
  readonly panelPort: number | null;
  readonly rendererDir: string;
  readonly listenHost: string;
  readonly log: HostLog;
  readonly env: NodeJS.ProcessEnv;
  /** Where a pasted token is kept; a file of the data directory if nothing is given. */
  readonly keeper?: TokenKeeper;
  /** The system's own if none is given. */
  readonly driver?: OsMountDriver;
  /** The person changed a setting. */
  readonly onSettings?: (settings: Settings) => void;
  /** Told of each host when it serves, and with null when it has ended. */
  readonly onHost?: (host: Host | null) => void;
}

export interface ReadyHost {
  readonly endpoint: string;
  readonly demo: boolean;
  readonly controlSocketPath: string;
  /** For one browser, once. Secret. Null without a panel for browsers. */
  readonly panelAddress: string | null;
}

export class ServedHosts {
  readonly #options: ServedHostsOptions;
  readonly #account: Account;
  readonly #panel: PanelServer | null;
  readonly #realHub: HubAccess;
  readonly #deviceSignIn: DeviceSignIn | null;
  #host: Host | null = null;
  #isDemo: boolean;
  /** The next host is to follow the one that ends. */
  #goesOn = false;
  #isQuitting = false;

  private constructor(
    options: ServedHostsOptions,
    account: Account,
    panel: PanelServer | null,
    realHub: HubAccess,
  ) {
    this.#options = options;
    this.#account = account;
    this.#panel = panel;
    this.#realHub = realHub;
    const { deviceLogin } = realHub;
    this.#deviceSignIn = deviceLogin === null ? null : new DeviceSignIn(deviceLogin, systemClock);
    this.#isDemo = options.demo || account.wantsDemo;
  }

  /** Rejects with `EADDRINUSE` when the panel's port is taken. */
  static async open(options: ServedHostsOptions): Promise<ServedHosts> {
    const { places, log, env, endpoint, version } = options;
    const account = await Account.open({
      dataDir: places.dataDir,
      keeper: options.keeper ?? fileTokenKeeper(join(places.dataDir, 'token')),
      environment: environmentTokens(env),
      clock: systemClock,
      log,
    });
    const { panelPort: port, rendererDir } = options;
    const panel =
      port === null
        ? null
        : await startPanelServer({ port, rendererDir, hostVersion: version, clock: systemClock, log });
    const realHub = openHubAccess(endpoint, account.tokens, false, `hubdrive/${version}`, clientIdOf(env));
    return new ServedHosts(options, account, panel, realHub);
  }

  /** Resolves when the host has ended for good. `onReady` is told of the first one. */
  async run(onReady: (host: ReadyHost) => void): Promise<void> {
    await this.#runOne(onReady);
    while (this.#goesOn) {
      this.#goesOn = false;
      this.#isDemo = this.#account.wantsDemo;
      this.#options.log.info(
        this.#isDemo ? 'The host goes on with the demo Hub' : 'The host goes on with the Hub',
      );
      await this.#runOne(() => undefined);
    }
  }

  /** Called again: does not wait any longer for uploads. */
  quit(now: boolean): void {
    this.#goesOn = false;
    this.#isQuitting = true;
    this.#end(now);
  }

  async close(): Promise<void> {
    await this.#panel?.close();
    this.#realHub.close();
  }

  async #runOne(onReady: (host: ReadyHost) => void): Promise<void> {
    const { places, version, log } = this.#options;
    let demoHub: DemoHub | null = null;
    let hub: HubAccess | null = null;
    try {
      if (this.#isDemo) demoHub = await startDemoHub(places.dataDir);
      hub =
        demoHub === null
          ? this.#realHub
          : openHubAccess(demoHub.endpoint, demoToken(demoHub.token), true, `hubdrive/${version}`);
      this.#host = await this.#startHost(hub);
      this.#panel?.setHandlers(this.#host.handlers);
      this.#options.onHost?.(this.#host);
      const { endpoint, demo } = hub;
      const { controlSocketPath } = this.#host;
      onReady({ endpoint, demo, controlSocketPath, panelAddress: this.#panel?.newAddress() ?? null });
      if (this.#isQuitting) this.#end(false);
      await this.#host.ended;
    } finally {
      this.#panel?.setHandlers(null);
      this.#options.onHost?.(null);
      this.#host = null;
      if (hub !== this.#realHub) hub?.close();
      await demoHub?.close();
    }
    log.debug('A host has ended');
  }

  async #startHost(hub: HubAccess): Promise<Host> {
    const { places, version, log, listenHost, env } = this.#options;
    const { tokens } = hub;
    return await startHost({
      places,
      version,
      endpoint: hub.endpoint,
      demo: hub.demo,
      tokens,
      createEngine: createWorkerEngines({ tokens, log, logLevel: () => 'info' }),
      driver: this.#options.driver ?? createSystemDriver(),
      log,
      onSettings: (settings) => {
        log.setLevel(settings.logLevel);
        this.#options.onSettings?.(settings);
      },
      listenHost,
      panelHandlers: (tools) =>
        createPanelHandlers({
          ...tools,
          account: this.#account,
          hub,
          realHub: this.#realHub,
          deviceSignIn: this.#deviceSignIn,
          run: runCommand,
          platform: process.platform,
          env,
          onOtherHub: () => {
            this.#goesOn = !this.#isQuitting;
            this.#end(false);
          },
          newAddress: () => this.#panel?.newAddress() ?? null,
        }),
    });
  }

  #end(now: boolean): void {
    this.#host?.quit(now).catch((error: unknown) => this.#options.log.error('Quitting failed', {}, error));
  }
}

/** Names this app to the Hub where a person signs in by a code. */
function clientIdOf(env: NodeJS.ProcessEnv): string | null {
  const id = env['HUBDRIVE_OAUTH_CLIENT_ID']?.trim() ?? '';
  return id === '' ? null : id;
}
