// The transport inside the desktop shell: the preload script offers the contract as `window.hubdrive`. It is the same build, so there is
// no version to compare, and it lives as long as the page.

import { ContractFailure } from '../../shared/contract.ts';
import type {
  Api,
  ArgumentOf,
  Outcome,
  PayloadOf,
  PushName,
  RequestName,
  ResultOf,
} from '../../shared/contract.ts';
import type { Connection } from './connection.ts';

/** What the preload exposes: outcomes as values, because the bridge keeps only the message of a thrown error. */
export interface Bridge {
  call<N extends RequestName>(channel: N, argument: ArgumentOf<N>): Promise<Outcome<ResultOf<N>>>;
  on<N extends PushName>(channel: N, listener: (payload: PayloadOf<N>) => void): () => void;
}

declare global {
  interface Window {
    readonly hubdrive?: Bridge;
  }
}

export function findBridge(page: Window): Bridge | null {
  return page.hubdrive ?? null;
}

export function connectBridge(bridge: Bridge): Connection {
  const api: Api = {
    async call(channel, argument) {
      const outcome = await bridge.call(channel, argument);
      if (!outcome.ok) throw new ContractFailure(outcome.error);
      return outcome.value;
    },
    on: (channel, listener) => bridge.on(channel, listener),
  };
  return { api, status: 'open', onStatus: () => () => undefined, close: () => undefined };
}
