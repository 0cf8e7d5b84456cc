// Shows a question as a native dialog. Asynchronous: a dialog never holds up the main thread.

import { dialog } from 'electron';
import type { Question } from '../tray/question.ts';

/** Resolves with the cancelling choice when `signal` takes the dialog away. */
export async function askQuestion<C extends string>(question: Question<C>, signal?: AbortSignal): Promise<C> {
  const { message, detail, buttons, choices, defaultChoice, cancelChoice } = question;
  const { response } = await dialog.showMessageBox({
    type: 'question',
    title: 'Hubdrive',
    message,
    detail,
    buttons: [...buttons],
    defaultId: choices.indexOf(defaultChoice),
    cancelId: choices.indexOf(cancelChoice),
    noLink: true,
    ...(signal === undefined ? {} : { signal }),
  });
  return choices[response] ?? cancelChoice;
}
