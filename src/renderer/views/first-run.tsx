// What a person sees first: three ways in, each one click from a list of things to mount.

import { useEffect, useState } from 'react';
import { Form, Input, Label, Text, TextField } from 'react-aria-components';
import iconAddress from '../../../assets/source/icon.svg';
import type { AccountView } from '../../shared/model.ts';
import type { SignInArgument } from '../../shared/contract.ts';
import { Button } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel, usePanelState } from '../parts/panel-context.ts';
import { strings } from '../text/strings.ts';
import { CodeSignIn } from './code-sign-in.tsx';

const words = strings.firstRun;

export function FirstRun() {
  return (
    <main className="first-run">
      <img src={iconAddress} alt="" className="first-run-icon" />
      <h1>{words.title}</h1>
      <p className="quiet">{words.lead}</p>
      <SignIn />
    </main>
  );
}

/** Also in the settings, for a person who signed out. */
export function SignIn() {
  const { api, store } = usePanel();
  const link = usePanelState((state) => state.link);
  const action = useAction();
  const [account, setAccount] = useState<AccountView | null>(null);
  const [token, setToken] = useState('');
  useEffect(() => {
    if (link !== 'open') return;
    // Without an answer the ways that need none are still there.
    api.call('account:get', null).then(setAccount, () => setAccount(null));
  }, [api, link]);
  const signIn = (argument: SignInArgument) => {
    store.setState({ picksAfterSignIn: true });
    action.run(
      () => api.call('account:signIn', argument),
      // The host starts again on another Hub; this page follows it there.
      (problem) => argument.way === 'demo' && problem.code === 'network',
    );
  };
  const origin = account?.existingLogin ?? null;
  const isReady = token.trim() !== '' && !action.isRunning;
  return (
    <div className="sign-in">
      {origin !== null && (
        <div className="sign-in-way">
          <Button
            look="primary"
            isDisabled={action.isRunning}
            onPress={() => signIn({ way: 'existing', token: null })}
          >
            {words.existing(origin === 'HF_TOKEN' ? words.originEnvironment : words.originFile)}
          </Button>
          <p className="field-help">{words.existingHelp}</p>
        </div>
      )}
      {account?.offersCode === true && <CodeSignIn />}
      <Form
        className="sign-in-way"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady) signIn({ way: 'token', token: token.trim() });
        }}
      >
        <TextField
          className="field"
          type="password"
          autoComplete="off"
          value={token}
          onChange={setToken}
          maxLength={512}
        >
          <Label>{words.token}</Label>
          <div className="sign-in-token">
            <Input className="input" placeholder={words.tokenPlaceholder} />
            <Button type="submit" look={origin === null ? 'primary' : 'plain'} isDisabled={!isReady}>
              {action.isRunning ? words.signingIn : words.signIn}
            </Button>
          </div>
          <Text slot="description" className="field-help">
            {words.tokenHelp} {account !== null && words.keeps[account.keeps]}
          </Text>
        </TextField>
      </Form>
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
      <div className="sign-in-or" aria-hidden>
        {words.or}
      </div>
      <div className="sign-in-way">
        <Button isDisabled={action.isRunning} onPress={() => signIn({ way: 'demo', token: null })}>
          {words.demo}
        </Button>
        <p className="field-help">{words.demoHelp}</p>
      </div>
    </div>
  );
}
