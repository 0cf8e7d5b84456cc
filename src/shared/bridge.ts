// What the desktop app's preload script offers the panel as `window.hubdrive`, and the names its messages travel under. Shared by the preload,
// the panel's transport and the IPC host; the requests and pushes themselves are those of contract.ts.

import type { ArgumentOf, Outcome, PayloadOf, PushName, RequestName, ResultOf } from './contract.ts';

/** Whether a host answers: another one may take over while the window stays. */
export type BridgeLink = 'open' | 'lost';

/** Outcomes are values, because Electron keeps only the message of a thrown error. */
export interface Bridge {
  readonly requests: {
    readonly [N in RequestName]: (argument: ArgumentOf<N>) => Promise<Outcome<ResultOf<N>>>;
  };
  /** Each returns the function that ends the listening. */
  readonly pushes: {
    readonly [N in PushName]: (listener: (payload: PayloadOf<N>) => void) => () => void;
  };
  /** Told the present link soon, then every change. Returns the function that ends the listening. */
  readonly onLink: (listener: (link: BridgeLink) => void) => () => void;
}

/** Beside the contract's own channel names. */
export const linkRequest = 'link:get';
export const linkPush = 'link:changed';
