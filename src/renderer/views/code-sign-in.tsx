// Signing in on a page of the Hub: shows the page and the code, and waits for the person to agree there.

import { useState } from 'react';
import type { DeviceCodeView } from '../../shared/model.ts';
import { Button, OutsideLink } from '../parts/button.tsx';
import { ProblemNote } from '../parts/notes.tsx';
import { useAction, usePanel } from '../parts/panel-context.ts';
import { strings } from '../text/strings.ts';

const words = strings.firstRun;

export function CodeSignIn() {
  const { api, store } = usePanel();
  const action = useAction();
  const [code, setCode] = useState<DeviceCodeView | null>(null);
  const begin = () =>
    action.run(async () => {
      try {
        const given = await api.call('account:deviceStart', null);
        setCode(given);
        store.setState({ picksAfterSignIn: true });
        await api.call('account:deviceFinish', { userCode: given.userCode });
      } finally {
        setCode(null);
      }
    });
  return (
    <div className="sign-in-way">
      {code === null ? (
        <>
          <Button isDisabled={action.isRunning} onPress={begin}>
            {words.code}
          </Button>
          <p className="field-help">{words.codeHelp}</p>
        </>
      ) : (
        <div role="status">
          <p>
            <OutsideLink href={code.address}>{words.codeOpen}</OutsideLink>
          </p>
          <p className="quiet">{words.codeEnter}</p>
          <p className="sign-in-code">{code.userCode}</p>
          <p className="field-help">{words.codeWaiting}</p>
        </div>
      )}
      {action.problem !== null && <ProblemNote problem={action.problem} onDismiss={action.clear} />}
    </div>
  );
}
