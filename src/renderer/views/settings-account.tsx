// Who is signed in, and signing in and out.

import { useState } from 'react';
import { Button } from '../parts/button.tsx';
import { Loading, ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel, usePanelState } from '../parts/panel-context.ts';
import { useLoaded } from '../parts/use-loaded.ts';
import { strings } from '../text/strings.ts';
import { SignIn } from './first-run.tsx';
import { SettingsGroup } from './settings-group.tsx';

const words = strings.settings;

export function AccountSettings() {
  const { api } = usePanel();
  const token = usePanelState(({ host }) => host?.token ?? 'none');
  const loaded = useLoaded(`account ${token}`, () => api.call('account:get', null));
  const action = useAction();
  const [isSigningIn, setSigningIn] = useState(false);
  const account = loaded.value;
  const user = account?.user ?? null;
  const isSignedOut = token === 'none';
  const name = user === null ? null : (user.fullName ?? user.name);
  return (
    <SettingsGroup title={words.account}>
      {loaded.problem !== null && <ProblemNote problem={loaded.problem} onRetry={loaded.reload} />}
      {account === null && loaded.problem === null && <Loading />}
      {account !== null && (
        <div className="settings-row">
          <span className="switch-words">
            <span>
              {isSignedOut
                ? words.signedOut
                : account.demo
                  ? words.demoAccount
                  : name === null
                    ? words.origins[token]
                    : words.signedInAs(name)}
            </span>
            {!isSignedOut && (
              <span className="field-help">
                {[
                  words.origins[token],
                  user !== null && user.organisations.length > 0
                    ? words.organisations(user.organisations.map((each) => each.name).join(', '))
                    : null,
                ]
                  .filter((fact) => fact !== null)
                  .join(' · ')}
              </span>
            )}
          </span>
          {isSignedOut ? (
            <Button onPress={() => setSigningIn(!isSigningIn)} aria-expanded={isSigningIn}>
              {words.signIn}
            </Button>
          ) : (
            <Button
              isDisabled={action.isRunning}
              onPress={() => action.run(() => api.call('account:signOut', null))}
            >
              {account.demo ? words.leaveDemo : words.signOut}
            </Button>
          )}
        </div>
      )}
      {account !== null && account.problem !== null && !isSignedOut && (
        <div className="settings-note">
          <ProblemNote problem={account.problem} onRetry={loaded.reload} />
        </div>
      )}
      {action.problem !== null && (
        <div className="settings-note">
          <ProblemNote problem={action.problem} onDismiss={action.clear} />
        </div>
      )}
      {isSignedOut && isSigningIn && (
        <div className="settings-note">
          <SignIn />
        </div>
      )}
    </SettingsGroup>
  );
}
