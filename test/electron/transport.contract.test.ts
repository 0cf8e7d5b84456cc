// The contract's suite over the desktop app's transport with its real ends: the IPC host in the main process, the preload bundle in a
// Chromium page, and the panel's bridge transport, which here reaches into that page from outside.

import './stand-in/register.ts';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { findAppFiles } from '../../src/main/app-files.ts';
import { connectBridge } from '../../src/renderer/transport/bridge.ts';
import { contract } from '../../src/shared/contract.ts';
import type { Bridge } from '../../src/shared/bridge.ts';
import { silentLog } from '../../src/shared/log.ts';
import { testTransport } from '../support/transport-suite.ts';
import { desktopOptions, useDesktopBrowser } from './desktop-world.ts';
import { resetElectron } from './stand-in/electron.ts';
import { StandInWindow } from './stand-in/window.ts';

const { IpcHost } = await import('../../src/main/electron/ipc-host.ts');
const { PanelWindow } = await import('../../src/main/electron/panel-window.ts');
const { servePanel } = await import('../../src/main/electron/panel-protocol.ts');

useDesktopBrowser();

if (desktopOptions.skip === false) {
  testTransport('Electron', async (t, host) => {
    await resetElectron();
    const rendererDir = await mkdtemp(join(tmpdir(), 'transport-'));
    // The panel itself would subscribe too.
    await writeFile(join(rendererDir, 'index.html'), '<!doctype html><title>blank</title>');
    await servePanel(rendererDir);
    const ipc = new IpcHost(silentLog);
    const window = new PanelWindow({
      preloadPath: findAppFiles().preloadPath,
      iconPath: '',
      onCreated: (created) => ipc.setWindow(created),
      onVisible: (isVisible) => ipc.setVisible(isVisible),
    });
    ipc.setHandlers(host.handlers());
    window.open();
    t.after(async () => {
      window.destroy();
      ipc.close();
      await resetElectron();
      await rm(rendererDir, { recursive: true });
    });
    const [opened] = StandInWindow.all;
    if (opened === undefined) throw new Error('No window was made');
    await opened.loaded;
    const connection = connectBridge(await bridgeInto(await opened.page));
    if (connection.status !== 'open') {
      await new Promise<void>((resolve) => connection.onStatus((status) => status === 'open' && resolve()));
    }
    return { api: connection.api, leave: () => window.destroy() };
  });
}

type Listener = (payload: unknown) => void;

/** `window.hubdrive` of the page, from this process. */
async function bridgeInto(page: Page): Promise<Bridge> {
  const listeners = new Map<number, Listener>();
  let nextId = 1;
  await page.exposeFunction('toTest', (id: number, payload: unknown) => listeners.get(id)?.(payload));
  const listen = (place: string) => (listener: Listener) => {
    const id = nextId++;
    listeners.set(id, listener);
    const ignoreClosedPage = (): undefined => undefined;
    page
      .evaluate(`void (window['stop${id}'] = ${place}((payload) => toTest(${id}, payload)))`)
      .catch(ignoreClosedPage);
    return () => {
      listeners.delete(id);
      page.evaluate(`window['stop${id}']()`).catch(ignoreClosedPage);
    };
  };
  const entries = Object.entries(contract);
  const requests = entries
    .filter(([, { kind }]) => kind === 'request')
    .map(([name]) => [
      name,
      (argument: unknown) =>
        page.evaluate(`hubdrive.requests[${JSON.stringify(name)}](${JSON.stringify(argument)})`),
    ]);
  const pushes = entries
    .filter(([, { kind }]) => kind === 'push')
    .map(([name]) => [name, listen(`hubdrive.pushes[${JSON.stringify(name)}]`)]);
  // Made from the contract, as the preload makes its own.
  return {
    requests: Object.fromEntries(requests),
    pushes: Object.fromEntries(pushes),
    onLink: listen('hubdrive.onLink'),
  } as unknown as Bridge;
}
