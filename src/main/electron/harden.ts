// Denies every web contents what the panel never does: going elsewhere, opening windows, embedding pages, asking for devices. Links to the
// Hub open in the person's browser.

import { app, session, shell } from 'electron';
import type { WebContents } from 'electron';
import { externalTarget } from '../system/external-link.ts';
import { isPanelUrl } from '../surfaces/sender-check.ts';
import type { Log } from '../../shared/log.ts';

export interface HardenOptions {
  /** Of the Hub in use. */
  readonly endpoint: () => string | null;
  readonly log: Log;
}

/** Once Electron is ready and before the first window. */
export function hardenContents({ endpoint, log }: HardenOptions): void {
  // Copying a path is the one permission the panel needs.
  const isAllowed = (permission: string, url: string): boolean =>
    permission === 'clipboard-sanitized-write' && isPanelUrl(url);
  const { defaultSession } = session;
  defaultSession.setPermissionRequestHandler((_contents, permission, answer, { requestingUrl }) => {
    answer(isAllowed(permission, requestingUrl));
  });
  defaultSession.setPermissionCheckHandler((_contents, permission, origin) => isAllowed(permission, origin));
  defaultSession.setDevicePermissionHandler(() => false);
  defaultSession.on('will-download', (event) => event.preventDefault());
  app.on('web-contents-created', (_event, contents) => hardenOne(contents, endpoint, log));
}

function hardenOne(contents: WebContents, endpoint: () => string | null, log: Log): void {
  contents.setWindowOpenHandler(({ url }) => {
    const target = externalTarget(url, endpoint());
    if (target === null) log.warn('The panel may not open this address', { url });
    else
      shell.openExternal(target).catch((error: unknown) => log.warn(`No browser opened: ${String(error)}`));
    return { action: 'deny' };
  });
  contents.on('will-frame-navigate', (event) => {
    if (!(event.isMainFrame && isPanelUrl(event.url))) event.preventDefault();
  });
  contents.on('will-redirect', (event) => event.preventDefault());
  contents.on('will-attach-webview', (event) => event.preventDefault());
}
