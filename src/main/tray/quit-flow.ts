// Leads from "quit" to the end of the host without losing anything unseen: asks when changes are unsent, sends first if that is wanted, and
// asks again while it sends or when it fails. Knows no Electron: the shell brings the dialog and the process.

import type { HostState } from '../../shared/model.ts';
import { quitQuestion } from './quit-dialog.ts';
import type { QuitChoice } from './quit-dialog.ts';
import type { Question } from './question.ts';

export interface QuitTools {
  /** Null: no host serves, nothing can be asked. */
  readonly state: () => HostState | null;
  readonly uploadRate: () => number | null;
  /** Aborted: the question is moot and the dialog goes away; its answer is then ignored. */
  readonly ask: (question: Question<QuitChoice>, signal: AbortSignal) => Promise<QuitChoice>;
  /** Sends everything; rejects with why not. Aborting ends the wait, not the sending. */
  readonly sendAll: (signal: AbortSignal) => Promise<void>;
  /** Ends the host; `now` without waiting for uploads. */
  readonly end: (now: boolean) => void;
  readonly reasonOf: (error: unknown) => string;
  readonly onUnexpected: (error: unknown) => void;
}

export class QuitFlow {
  readonly #tools: QuitTools;
  #phase: 'idle' | 'sending' | 'ending' = 'idle';
  #question: AbortController | null = null;
  #sending: AbortController | null = null;

  constructor(tools: QuitTools) {
    this.#tools = tools;
  }

  /** The person, or the system, wants the app to end. Safe to call at any time, any number of times. */
  request(): void {
    if (this.#question !== null) return;
    if (this.#phase === 'ending') {
      this.#tools.end(true);
      return;
    }
    void this.#ask(null).catch(this.#tools.onUnexpected);
  }

  async #ask(failure: string | null): Promise<void> {
    const state = this.#tools.state();
    const isFinishing = this.#phase === 'sending';
    const uploadRate = this.#tools.uploadRate();
    const question = state && quitQuestion({ state, uploadRate, isFinishing, failure });
    if (question === null) {
      this.#end(false);
      return;
    }
    const asking = new AbortController();
    this.#question = asking;
    let choice: QuitChoice;
    try {
      choice = await this.#tools.ask(question, asking.signal);
    } finally {
      if (this.#question === asking) this.#question = null;
    }
    if (!asking.signal.aborted) this.#follow(choice);
  }

  #follow(choice: QuitChoice): void {
    switch (choice) {
      case 'finish':
        if (this.#phase === 'idle') void this.#send().catch(this.#tools.onUnexpected);
        break;
      case 'now':
        this.#end(true);
        break;
      case 'cancel':
        this.#sending?.abort();
        this.#phase = 'idle';
        break;
    }
  }

  async #send(): Promise<void> {
    const sending = new AbortController();
    this.#sending = sending;
    this.#phase = 'sending';
    try {
      await this.#tools.sendAll(sending.signal);
    } catch (error) {
      if (sending.signal.aborted) return;
      this.#phase = 'idle';
      this.#dropQuestion();
      await this.#ask(this.#tools.reasonOf(error));
      return;
    } finally {
      if (this.#sending === sending) this.#sending = null;
    }
    if (!sending.signal.aborted) this.#end(false);
  }

  #end(now: boolean): void {
    this.#phase = 'ending';
    this.#sending?.abort();
    this.#dropQuestion();
    this.#tools.end(now);
  }

  #dropQuestion(): void {
    this.#question?.abort();
    this.#question = null;
  }
}
