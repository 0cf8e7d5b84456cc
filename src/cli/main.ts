// The `hubdrive` command: finds the subcommand, shows help, turns failures into messages and exit codes (0 done, 1 failed, 2 usage).

import { ContractFailure } from '../shared/contract.ts';
import { parseCommand, UsageError } from './arguments.ts';
import type { Command, Streams } from './command.ts';
import { flushCommand, mountCommand, unmountCommand } from './mount-commands.ts';
import { formatTable } from './output.ts';
import { panelCommand } from './panel-command.ts';
import { hubCommand, serveCommand } from './process-commands.ts';
import type { ProcessCommand } from './process-commands.ts';
import { activityCommand, doctorCommand, pendingCommand, statusCommand } from './show-commands.ts';

type AnyCommand = Command | ProcessCommand;

const commands: readonly AnyCommand[] = [
  serveCommand,
  mountCommand,
  unmountCommand,
  statusCommand,
  activityCommand,
  pendingCommand,
  flushCommand,
  panelCommand,
  doctorCommand,
  hubCommand,
];

export async function runCommandLine(args: readonly string[], streams: Streams): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === 'help' || name === '--help' || name === '-h')
    return help(rest[0], streams);
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) {
    streams.err(`hubdrive: there is no command "${name}"\n\n${overview()}`);
    return 2;
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    streams.out(describe(command));
    return 0;
  }
  try {
    if ('start' in command) return await command.start(rest, streams);
    return await command.run(parseCommand(rest, command.form), streams);
  } catch (error) {
    return report(error, command, streams);
  }
}

function help(name: string | undefined, { out }: Streams): number {
  const command = commands.find((candidate) => candidate.name === name);
  out(command === undefined ? overview() : describe(command));
  return 0;
}

function overview(): string {
  const rows = commands.map((command) => [`  ${command.name}`, command.summary]);
  return (
    'Hugging Face Buckets and repos as ordinary folders\n\nUsage: hubdrive COMMAND …\n\n' +
    `${formatTable(rows)}\nMore about one: hubdrive COMMAND --help\n`
  );
}

function describe(command: AnyCommand): string {
  const details = command.details.map((line) => `  ${line}\n`).join('');
  return `Usage: hubdrive ${command.usage}\n\n${command.summary[0]?.toUpperCase() ?? ''}${command.summary.slice(1)}.\n\n${details}`;
}

function report(error: unknown, command: AnyCommand, { err }: Streams): number {
  if (error instanceof UsageError) {
    err(`hubdrive ${command.name}: ${error.message}\nUsage: hubdrive ${command.usage}\n`);
    return 2;
  }
  if (error instanceof ContractFailure) {
    err(`hubdrive ${command.name}: ${error.message}\n`);
    return error.code === 'invalid' ? 2 : 1;
  }
  err(
    `hubdrive ${command.name}: unexpected failure: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
  );
  return 1;
}

if (import.meta.main) {
  process.exitCode = await runCommandLine(process.argv.slice(2), {
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
  });
}
