// What the system tells the app: it sleeps and wakes, the network goes and comes, the session is about to end.

import { net, powerMonitor } from 'electron';
import type { Event } from 'electron';
import type { Clock, Timer } from '../../shared/log.ts';

export interface SystemEvents {
  /** Awake again, or online again. */
  readonly onBack: () => void;
  /** The computer shuts down or the person logs out; the system waits a little for us. */
  readonly onEnding: () => void;
}

/** Electron has no event for it in the main process. */
const lookEveryMs = 5000;

/** Returns the function that ends it. */
export function watchSystem({ onBack, onEnding }: SystemEvents, clock: Clock): () => void {
  const onShutdown = (event?: Event): void => {
    event?.preventDefault();
    onEnding();
  };
  powerMonitor.on('resume', onBack);
  powerMonitor.on('shutdown', onShutdown);
  let wasOnline = net.isOnline();
  let timer: Timer;
  const look = (): void => {
    const isOnline = net.isOnline();
    if (isOnline && !wasOnline) onBack();
    wasOnline = isOnline;
    timer = clock.schedule(lookEveryMs, look);
  };
  timer = clock.schedule(lookEveryMs, look);
  return () => {
    timer.cancel();
    powerMonitor.off('resume', onBack);
    powerMonitor.off('shutdown', onShutdown);
  };
}
