// Carries out what a person chose in the tray, through the same handlers as every other surface. Knows no Electron: windows, clipboard and
// dialogs come in as functions.

import type { Caller, Handlers, MountArgument } from '../../shared/contract.ts';
import type { HostState, Problem } from '../../shared/model.ts';
import { problemOf } from '../problem.ts';
import type { Question } from './question.ts';
import type { TrayAction } from './tray-menu.ts';

export interface TrayTools {
  /** Null: no host serves. */
  readonly host: () => {
    readonly handlers: Handlers;
    readonly state: HostState;
    readonly caller: Caller;
  } | null;
  readonly openPanel: () => void;
  readonly copyText: (text: string) => Promise<void>;
  readonly requestQuit: () => void;
  readonly ask: <C extends string>(question: Question<C>) => Promise<C>;
}

/** Never rejects: what goes wrong is asked or told about. */
export async function carryOut(action: TrayAction, tools: TrayTools): Promise<void> {
  try {
    await attempt(action, tools);
  } catch (error) {
    await explain(action, problemOf(error), tools);
  }
}

async function attempt(action: TrayAction, tools: TrayTools): Promise<void> {
  switch (action.type) {
    case 'panel':
      return tools.openPanel();
    case 'quit':
      return tools.requestQuit();
    case 'copy':
      return await tools.copyText(action.text);
    default:
      break;
  }
  const host = tools.host();
  if (host === null) return;
  const { handlers, caller } = host;
  switch (action.type) {
    case 'mount':
      await handlers['mounts:mount'](mountArgumentOf(host.state, action.mountId), caller);
      return;
    case 'unmount':
      await handlers['mounts:unmount'](unmountArgument(action.mountId, false), caller);
      return;
    case 'cancel':
      await handlers['mounts:cancel']({ mountId: action.mountId }, caller);
      return;
    case 'open':
      await handlers['mounts:open']({ mountId: action.mountId }, caller);
      return;
    case 'pause':
      await handlers['mounts:pause']({ target: null, until: action.until }, caller);
      return;
    case 'resume':
      await handlers['mounts:resume']({ target: null }, caller);
      return;
  }
}

/** As it was mounted before. */
function mountArgumentOf({ mounts }: HostState, mountId: string): MountArgument {
  const mount = mounts.find(({ id }) => id === mountId);
  if (mount === undefined) throw new Error('This mount is not known any more');
  const { source, mountPoint, readOnly, revision, serverOnly } = mount;
  return { source, mountPoint, readOnly, revision, serverOnly };
}

function unmountArgument(target: string, force: boolean) {
  return { target, discard: false, ifUnsent: 'keep', force } as const;
}

async function explain(action: TrayAction, problem: Problem, tools: TrayTools): Promise<void> {
  if (problem.code === 'cancelled') return;
  if (action.type !== 'unmount' || problem.code !== 'busy') {
    if ((await tools.ask(failureQuestion(problem))) === 'panel') tools.openPanel();
    return;
  }
  const choice = await tools.ask(busyQuestion(problem));
  if (choice === 'retry') await carryOut(action, tools);
  if (choice === 'force') await forceUnmount(action.mountId, tools);
}

async function forceUnmount(mountId: string, tools: TrayTools): Promise<void> {
  const host = tools.host();
  try {
    await host?.handlers['mounts:unmount'](unmountArgument(mountId, true), host.caller);
  } catch (error) {
    if ((await tools.ask(failureQuestion(problemOf(error)))) === 'panel') tools.openPanel();
  }
}

export function failureQuestion({ message }: Problem): Question<'close' | 'panel'> {
  return {
    message: 'That did not work',
    detail: message,
    buttons: ['Close', 'Open panel'],
    choices: ['close', 'panel'],
    defaultChoice: 'close',
    cancelChoice: 'close',
  };
}

export function busyQuestion({ message, programs = [] }: Problem): Question<'retry' | 'force' | 'cancel'> {
  const names = programs.map(({ name, pid }) => `• ${name} (process ${pid})`);
  return {
    message: 'Programs still use this folder',
    detail: [names.length === 0 ? message : 'Close them, or what they have open there:', ...names].join('\n'),
    buttons: ['Try again', 'Unmount anyway', 'Cancel'],
    choices: ['retry', 'force', 'cancel'],
    defaultChoice: 'retry',
    cancelChoice: 'cancel',
  };
}
