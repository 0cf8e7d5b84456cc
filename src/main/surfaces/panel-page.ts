// Answers the panel's window: which file belongs to an address, under which content policy. Pure; the Electron shell puts it behind its own
// scheme, the browser panel has a server of its own.

import { noncePlaceholder } from './panel-files.ts';
import type { PanelFile } from './panel-files.ts';
import { isPanelUrl } from './sender-check.ts';

export interface PageAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** `nonce`: new for every answer. */
export function answerPage(
  files: ReadonlyMap<string, PanelFile>,
  method: string,
  address: string,
  nonce: string,
): PageAnswer {
  if (!isPanelUrl(address)) return refusal(404, 'No such page.');
  if (method !== 'GET') return refusal(405, 'The panel is read with GET.');
  const { pathname } = new URL(address);
  const file = files.get(pathname === '/' ? '/index.html' : pathname);
  if (file === undefined) {
    return files.size === 0
      ? refusal(503, 'The panel is not built: npm run build')
      : refusal(404, 'No such page.');
  }
  const isPage = file.type.startsWith('text/html');
  const body = isPage
    ? Buffer.from(file.body.toString('utf8').replace(noncePlaceholder, nonce))
    : Buffer.from(file.body);
  return { status: 200, headers: headersOf(file.type, windowPolicy(nonce)), body };
}

function refusal(status: number, text: string): PageAnswer {
  return {
    status,
    headers: headersOf('text/plain; charset=utf-8', "default-src 'none'"),
    body: Buffer.from(text),
  };
}

/** `style-src` has a nonce because the component library adds one small style element by itself. */
function windowPolicy(nonce: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data:",
    // The page talks to the host through the preload script alone.
    "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

function headersOf(type: string, policy: string): Readonly<Record<string, string>> {
  return {
    'Content-Type': type,
    'Content-Security-Policy': policy,
    'Cache-Control': 'no-store',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
  };
}
