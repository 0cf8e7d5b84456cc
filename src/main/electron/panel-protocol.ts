// Serves the built panel to our window under a scheme of its own, so that no page has the rights of a file and none is fetched.

import { randomBytes } from 'node:crypto';
import { protocol } from 'electron';
import { loadPanelFiles } from '../surfaces/panel-files.ts';
import { answerPage } from '../surfaces/panel-page.ts';
import { panelScheme } from '../surfaces/sender-check.ts';

/** Before Electron is ready. */
export function declarePanelScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme: panelScheme, privileges: { standard: true, secure: true, supportFetchAPI: false } },
  ]);
}

/** Once Electron is ready. */
export async function servePanel(rendererDir: string): Promise<void> {
  const files = await loadPanelFiles(rendererDir);
  protocol.handle(panelScheme, ({ method, url }) => {
    const { status, headers, body } = answerPage(files, method, url, randomBytes(16).toString('base64'));
    return new Response(body, { status, headers });
  });
}
