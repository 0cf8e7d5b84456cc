// The transport inside the desktop shell: the preload script offers the contract as `window.hubdrive`. It is the same build, so there is
// no version to compare; the link is lost only while another host takes over.

import type { Bridge } from '../../shared/bridge.ts';
import { ContractFailure } from '../../shared/contract.ts';
import type { Api } from '../../shared/contract.ts';
import type { Connection, LinkStatus } from './connection.ts';

declare global {
  interface Window {
    readonly hubdrive?: Bridge;
  }
}

export function findBridge(page: Window): Bridge | null {
  return page.hubdrive ?? null;
}

export function connectBridge(bridge: Bridge): Connection {
  const listeners = new Set<(status: LinkStatus) => void>();
  let status: LinkStatus = 'connecting';
  const stop = bridge.onLink((link) => {
    if (link === status) return;
    status = link;
    for (const listener of listeners) listener(status);
  });
  const api: Api = {
    async call(channel, argument) {
      const outcome = await bridge.requests[channel](argument);
      if (!outcome.ok) throw new ContractFailure(outcome.error);
      return outcome.value;
    },
    on: (channel, listener) => bridge.pushes[channel](listener),
  };
  return {
    api,
    isDesktop: true,
    get status() {
      return status;
    },
    onStatus(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close: stop,
  };
}
