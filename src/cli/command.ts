// What a command of the command line is.

import type { CommandForm, ParsedCommand } from './arguments.ts';

export interface Streams {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

export interface Command {
  readonly name: string;
  /** After `hubdrive`. */
  readonly usage: string;
  /** One line for the overview. */
  readonly summary: string;
  /** What a person needs to know besides, in plain lines. */
  readonly details: readonly string[];
  readonly form: CommandForm;
  /** Resolves with the exit code; rejects with UsageError, ContractFailure or an unexpected error. */
  run(parsed: ParsedCommand, streams: Streams): Promise<number>;
}
