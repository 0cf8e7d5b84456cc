// A command runner that runs nothing: remembers the exact command lines and answers as the test says.

import type { CommandResult, RunCommand } from '../../src/main/system/command-runner.ts';

export type Answer = Partial<CommandResult>;

export class ScriptedCommands {
  readonly lines: string[] = [];
  /** Asked for every command; null means success without output. */
  answer: (line: string) => Answer | null = () => null;

  readonly run: RunCommand = (program, parameters) => {
    const line = [program, ...parameters].join(' ');
    this.lines.push(line);
    return Promise.resolve({ code: 0, stdout: '', stderr: '', ended: 'exited', ...this.answer(line) });
  };
}

export const failed = (stderr: string, code = 32): Answer => ({ code, stderr });
export const missing: Answer = { code: null, ended: 'not-found', stderr: 'ENOENT' };
export const hung: Answer = { code: null, ended: 'deadline' };
