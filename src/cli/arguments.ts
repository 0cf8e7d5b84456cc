// Reads a command's words into typed values, with messages for a person. Wrong usage is `UsageError` (exit code 2).

import { parseArgs } from 'node:util';
import type { ParseArgsOptionsConfig } from 'node:util';

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export interface ParsedCommand {
  readonly positionals: readonly string[];
  has(flag: string): boolean;
  text(option: string): string | null;
}

export interface CommandForm {
  readonly flags: readonly string[];
  readonly options: readonly string[];
  readonly minPositionals: number;
  readonly maxPositionals: number;
}

export function parseCommand(args: readonly string[], form: CommandForm): ParsedCommand {
  const options: ParseArgsOptionsConfig = { help: { type: 'boolean', short: 'h' } };
  for (const flag of form.flags) options[flag] = { type: 'boolean' };
  for (const option of form.options) options[option] = { type: 'string' };
  const { values, positionals } = parse(args, options);
  if (values['help'] !== true) {
    if (positionals.length < form.minPositionals) throw new UsageError('something is missing');
    const extra = positionals[form.maxPositionals];
    if (extra !== undefined) throw new UsageError(`"${extra}" is one word too many`);
  }
  return {
    positionals,
    has: (flag) => values[flag] === true,
    text: (option) => {
      const value = values[option];
      return typeof value === 'string' ? value : null;
    },
  };
}

function parse(args: readonly string[], options: ParseArgsOptionsConfig) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // What Node adds about words that begin with "-" helps nobody here.
    throw new UsageError((error instanceof Error ? error.message : String(error)).split('. To specify')[0]);
  }
}
