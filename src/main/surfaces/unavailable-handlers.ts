// The channels that only a shell with a panel brings (account, browsing, folders, the panel's address), refused where there is none.

import type { Handlers } from '../../shared/contract.ts';
import { HostError } from '../problem.ts';

export const panelChannels = [
  'mounts:open',
  'account:get',
  'account:signIn',
  'account:signOut',
  'account:deviceStart',
  'account:deviceFinish',
  'browse:list',
  'browse:source',
  'browse:folders',
  'browse:createBucket',
  'panel:address',
] as const satisfies readonly (keyof Handlers)[];
export type PanelHandlers = Pick<Handlers, (typeof panelChannels)[number]>;
export type CoreHandlers = Omit<Handlers, (typeof panelChannels)[number]>;

function refuse(): never {
  throw new HostError('unsupported', 'This host runs without the panel, which brings this function');
}

export const unavailablePanelHandlers: PanelHandlers = {
  'mounts:open': refuse,
  'account:get': refuse,
  'account:signIn': refuse,
  'account:signOut': refuse,
  'account:deviceStart': refuse,
  'account:deviceFinish': refuse,
  'browse:list': refuse,
  'browse:source': refuse,
  'browse:folders': refuse,
  'browse:createBucket': refuse,
  'panel:address': () => ({ url: null }),
};
