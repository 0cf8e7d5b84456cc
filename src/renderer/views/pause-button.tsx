// Pauses uploads for a while or until they are resumed.

import { CirclePause, CirclePlay, Timer } from 'lucide-react';
import type { PauseLength } from '../../shared/model.ts';
import { Button } from '../parts/button.tsx';
import { ButtonMenu } from '../parts/menu.tsx';
import { strings } from '../text/strings.ts';

const words = strings.pending;

interface PauseButtonProps {
  readonly isPaused: boolean;
  readonly onPause: (until: PauseLength | null) => void;
  readonly onResume: () => void;
}

export function PauseButton({ isPaused, onPause, onResume }: PauseButtonProps) {
  if (isPaused) {
    return (
      <Button onPress={onResume}>
        <CirclePlay aria-hidden />
        {words.resumeAll}
      </Button>
    );
  }
  const { hour, tomorrow, resumed } = words.pauseFor;
  return (
    <ButtonMenu
      label={words.pauseAll}
      button={
        <Button>
          <CirclePause aria-hidden />
          {words.pauseAll}
        </Button>
      }
      entries={[
        { id: 'hour', text: hour, icon: <Timer aria-hidden />, onAction: () => onPause('hour') },
        { id: 'tomorrow', text: tomorrow, icon: <Timer aria-hidden />, onAction: () => onPause('tomorrow') },
        { id: 'resumed', text: resumed, icon: <CirclePause aria-hidden />, onAction: () => onPause(null) },
      ]}
    />
  );
}
