// What the system and other starts of the app ask of it: quit, show yourself, follow a link.

import { app } from 'electron';
import type { Event } from 'electron';

export interface AppEvents {
  readonly requestQuit: () => void;
  readonly openPanel: () => void;
  readonly openLink: (link: string) => void;
  /** Whether there was a link among the arguments. */
  readonly openLinkFrom: (argv: readonly string[]) => boolean;
}

/** Returns the function that ends it; from then on the app may quit. */
export function listenToApp({ requestQuit, openPanel, openLink, openLinkFrom }: AppEvents): () => void {
  const beforeQuit = (event: Event): void => {
    event.preventDefault();
    requestQuit();
  };
  app.on('before-quit', beforeQuit);
  // Without a listener Electron ends the app with its last window.
  app.on('window-all-closed', () => undefined);
  app.on('activate', openPanel);
  // The icon may be hidden by the system: a second start is then the way to the panel.
  app.on('second-instance', (_event, argv) => {
    if (!openLinkFrom(argv)) openPanel();
  });
  app.on('open-url', (event, url) => {
    event.preventDefault();
    openLink(url);
  });
  return () => void app.off('before-quit', beforeQuit);
}
