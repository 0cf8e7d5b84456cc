// The seam between the panel and its host: one `connect()` over whichever transport the page finds. Everything above it sees only the
// contract's `Api` and how the link is.

import type { Api } from '../../shared/contract.ts';
import { connectBridge, findBridge } from './bridge.ts';
import { connectSocket } from './socket.ts';

/** `refused`: this browser has to be let in again. `mismatch`: host and panel are of different versions. */
export type LinkStatus = 'connecting' | 'open' | 'lost' | 'refused' | 'mismatch';

export interface Connection {
  readonly api: Api;
  readonly status: LinkStatus;
  /** The page is the desktop app's own window. */
  readonly isDesktop: boolean;
  /** Called with every change. Subscriptions at the host end with the link: subscribe again on every `open`. */
  onStatus(listener: (status: LinkStatus) => void): () => void;
  close(): void;
}

/** Electron's preload offers a bridge; a browser talks to the server the page came from. */
export function connect(page: Window): Connection {
  const bridge = findBridge(page);
  return bridge === null ? connectSocket(page) : connectBridge(bridge);
}
