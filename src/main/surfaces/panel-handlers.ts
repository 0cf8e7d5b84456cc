// The channels that a shell with a panel adds to the host's own: account, choosing what to mount, opening folders, addresses.

import type { SignInArgument } from '../../shared/contract.ts';
import type { AccountView } from '../../shared/model.ts';
import type { Account, CurrentHub } from '../account/account.ts';
import { browse, createBucket, describeSource, listFolders } from '../account/browse.ts';
import type { RunCommand } from '../system/command-runner.ts';
import type { MountManager } from '../mounts/mount-manager.ts';
import type { DeviceSignIn } from '../account/device-sign-in.ts';
import { openFolder } from '../system/open-folder.ts';
import { HostError } from '../problem.ts';
import type { PanelHandlers } from './unavailable-handlers.ts';

/** What the panel's channels may use of the host. */
export interface PanelTools {
  readonly manager: MountManager;
  /** Where a source would be mounted by default. */
  readonly placeOf: (source: string) => string;
  /** Another token counts from here on: the state says so. */
  readonly onAccount: () => Promise<void>;
}

export interface PanelParts extends PanelTools {
  readonly account: Account;
  readonly hub: CurrentHub;
  /** The Hub that tokens belong to, also while the demo runs. */
  readonly realHub: CurrentHub;
  /** Null without a client id. */
  readonly deviceSignIn: DeviceSignIn | null;
  readonly run: RunCommand;
  readonly platform: NodeJS.Platform;
  readonly env: NodeJS.ProcessEnv;
  /** The host has to go on with the other Hub. Called after the answer is on its way. */
  readonly onOtherHub: () => void;
  readonly newAddress: () => string | null;
}

export function createPanelHandlers(parts: PanelParts): PanelHandlers {
  const { account, hub, realHub, manager } = parts;
  /** The view after a change; where the Hub changes with it, of what comes next. */
  const settle = async (): Promise<AccountView> => {
    if (account.wantsDemo === hub.demo) {
      await parts.onAccount();
      return await account.view(hub);
    }
    const view = await account.view(realHub);
    setImmediate(() => parts.onOtherHub());
    return account.wantsDemo ? { ...view, demo: true, token: 'demo', user: null, problem: null } : view;
  };
  const codes = (): DeviceSignIn => {
    if (parts.deviceSignIn !== null) return parts.deviceSignIn;
    throw new HostError('unsupported', 'Signing in by a code needs a client id; paste a token instead');
  };
  const withOffer = (view: AccountView): AccountView => ({
    ...view,
    offersCode: parts.deviceSignIn !== null,
  });
  return {
    'mounts:open': async ({ mountId }) => {
      const { mountPoint, attached, source } = manager.byId(mountId).view();
      if (mountPoint === null || !attached) {
        throw new HostError('not-found', `“${source}” has no folder to show; mount it first`);
      }
      await openFolder(mountPoint, parts.run, parts.platform, parts.env);
      return null;
    },
    'account:get': async () => withOffer(await account.view(hub)),
    'account:signIn': async (argument: SignInArgument) => {
      await account.signIn(argument, realHub.directory);
      return await settle();
    },
    'account:deviceStart': () => codes().start(),
    'account:deviceFinish': async ({ userCode }, caller) => {
      const token = await codes().waitFor(userCode, caller.gone);
      await account.signIn({ way: 'token', token }, realHub.directory);
      return await settle();
    },
    'account:signOut': async () => {
      await account.signOut(hub.demo);
      return await settle();
    },
    'browse:list': (argument) => browse(argument, account, hub),
    'browse:source': ({ source }) => describeSource(source, hub, parts.placeOf),
    'browse:folders': (argument) => listFolders(argument, hub),
    'browse:createBucket': ({ owner, name, private: isPrivate }) => createBucket(owner, name, isPrivate, hub),
    'panel:address': () => ({ url: parts.newAddress() }),
  };
}
