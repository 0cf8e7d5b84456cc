// The sandboxed bridge of the desktop app's window: one function for each request and each push of the contract, and nothing that takes a
// channel's name from the page. Built into a single CommonJS file, because a sandboxed preload cannot import.

import { contextBridge, ipcRenderer } from 'electron';
import type { IpcRendererEvent } from 'electron';
import { linkPush, linkRequest } from '../shared/bridge.ts';
import { contract } from '../shared/contract.ts';

type Listener = (payload: unknown) => void;

function listen(channel: string, listener: Listener): () => void {
  // The event itself stays here: it carries the sender, a way to any channel.
  const receive = (_event: IpcRendererEvent, payload: unknown): void => listener(payload);
  ipcRenderer.on(channel, receive);
  return () => void ipcRenderer.off(channel, receive);
}

const requests: Record<string, (argument: unknown) => Promise<unknown>> = {};
const pushes: Record<string, (listener: Listener) => () => void> = {};
for (const [channel, { kind }] of Object.entries(contract)) {
  if (kind === 'request') requests[channel] = (argument) => ipcRenderer.invoke(channel, argument);
  else pushes[channel] = (listener) => listen(channel, listener);
}

contextBridge.exposeInMainWorld('hubdrive', {
  requests,
  pushes,
  onLink: (listener: Listener) => {
    const stop = listen(linkPush, listener);
    void ipcRenderer.invoke(linkRequest).then(listener);
    return stop;
  },
});
