// `ipcMain` of the stand-in: one handler a channel, as Electron demands.

import type { StandInContents, StandInFrame } from './window.ts';

export interface InvokeEvent {
  readonly sender: StandInContents;
  readonly senderFrame: StandInFrame | null;
}

type InvokeHandler = (event: InvokeEvent, ...args: readonly unknown[]) => unknown;

const handlers = new Map<string, InvokeHandler>();

export const ipcMain = {
  handle(channel: string, handler: InvokeHandler): void {
    if (handlers.has(channel)) throw new Error(`A second handler for ${channel}`);
    handlers.set(channel, handler);
  },

  removeHandler(channel: string): void {
    handlers.delete(channel);
  },

  channels: (): readonly string[] => [...handlers.keys()],

  /** What `ipcRenderer.invoke` does: rejects where nobody listens or the handler throws. */
  async invoke(channel: string, event: InvokeEvent, args: readonly unknown[]): Promise<unknown> {
    const handler = handlers.get(channel);
    if (handler === undefined) throw new Error(`No handler registered for '${channel}'`);
    // What crosses is cloned, as between processes.
    return structuredClone(await handler(event, ...structuredClone(args)));
  },
};
