// Entry of the desktop app: the main process that Electron starts. Everything else is composed in desktop-app.ts.

import './thread-pool.ts';
import { app } from 'electron';
import { runDesktopApp } from './desktop-app.ts';
import { declarePanelScheme } from './panel-protocol.ts';

// Electron takes privileged schemes only before it is ready.
declarePanelScheme();
runDesktopApp().catch((error: unknown) => {
  process.stderr.write(
    `hubdrive: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  app.exit(1);
});
