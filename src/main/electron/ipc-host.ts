// The contract's Electron transport, and the only importer of `ipcMain`: takes requests of our window's main frame alone, gives each page a
// session, and sends pushes while the window can be seen.

import { ipcMain } from 'electron';
import type { BrowserWindow, IpcMainInvokeEvent } from 'electron';
import { linkPush, linkRequest } from '../../shared/bridge.ts';
import type { BridgeLink } from '../../shared/bridge.ts';
import { contract } from '../../shared/contract.ts';
import type { Handlers, Outcome } from '../../shared/contract.ts';
import type { Log } from '../../shared/log.ts';
import { ClientSession } from '../surfaces/client-session.ts';
import { PushGate } from '../surfaces/push-gate.ts';
import { refusalOfSender } from '../surfaces/sender-check.ts';

interface PageSession {
  readonly session: ClientSession;
  readonly gate: PushGate;
}

export class IpcHost {
  readonly #log: Log;
  #handlers: Handlers | null = null;
  #window: BrowserWindow | null = null;
  #page: PageSession | null = null;

  constructor(log: Log) {
    this.#log = log;
    for (const [channel, { kind }] of Object.entries(contract)) {
      if (kind !== 'request') continue;
      ipcMain.handle(channel, (event, argument: unknown) => this.#answer(channel, argument, event));
    }
    ipcMain.handle(linkRequest, (event): BridgeLink => {
      const isReady = this.#refusalOf(event) === null && this.#handlers !== null;
      return isReady ? 'open' : 'lost';
    });
  }

  /** Null: no host serves at the moment. Pages begin anew with every host. */
  setHandlers(handlers: Handlers | null): void {
    this.#endPage();
    this.#handlers = handlers;
    if (this.#window === null || this.#window.isDestroyed()) return;
    const link: BridgeLink = handlers === null ? 'lost' : 'open';
    this.#window.webContents.send(linkPush, link);
  }

  /** The one window whose messages are taken. */
  setWindow(window: BrowserWindow): void {
    this.#window = window;
    const end = (): void => this.#endPage();
    window.webContents.on('did-navigate', end);
    window.webContents.on('render-process-gone', end);
    window.on('closed', end);
  }

  /** While nobody can see the window nothing is pushed. */
  setVisible(isVisible: boolean): void {
    this.#page?.gate.setOpen(isVisible);
  }

  close(): void {
    this.#endPage();
    for (const channel of [...Object.keys(contract), linkRequest]) ipcMain.removeHandler(channel);
  }

  async #answer(channel: string, argument: unknown, event: IpcMainInvokeEvent): Promise<Outcome<unknown>> {
    const refusal = this.#refusalOf(event);
    if (refusal !== null) {
      this.#log.error(`A message on ${channel} was refused: ${refusal}`);
      return { ok: false, error: { code: 'forbidden', message: `Refused: ${refusal}` } };
    }
    const page = this.#pageSession();
    if (page === null) {
      return {
        ok: false,
        error: { code: 'network', message: 'Hubdrive is starting; try again in a moment' },
      };
    }
    return await page.session.request(channel, argument);
  }

  #refusalOf({ sender, senderFrame }: IpcMainInvokeEvent): string | null {
    return refusalOfSender({
      isOurWindow:
        this.#window !== null && !this.#window.isDestroyed() && sender === this.#window.webContents,
      isMainFrame: senderFrame !== null && senderFrame.parent === null,
      url: senderFrame?.url ?? null,
    });
  }

  #pageSession(): PageSession | null {
    const window = this.#window;
    if (this.#page !== null || window === null || this.#handlers === null) return this.#page;
    const gate = new PushGate((channel, payload) => {
      if (!window.isDestroyed()) window.webContents.send(channel, payload);
    }, isSeen(window));
    const transport = {
      sendPush: gate.push.bind(gate),
      isCongested: () => !gate.isOpen,
    };
    this.#page = { gate, session: new ClientSession(this.#handlers, transport, this.#log) };
    return this.#page;
  }

  #endPage(): void {
    this.#page?.session.close();
    this.#page = null;
  }
}

export function isSeen(window: BrowserWindow): boolean {
  return window.isVisible() && !window.isMinimized();
}
