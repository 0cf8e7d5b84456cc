// `serve` and `hub`: commands that are long-running processes of another layer. Their entries are loaded by address, because this layer may
// not import them; the result is checked before it is used.

import type { DoctorReport } from '../shared/model.ts';
import { record } from '../shared/arguments.ts';
import type { Command, Streams } from './command.ts';

type Entry = (...parameters: unknown[]) => unknown;

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

async function loadEntry(module: string, name: string): Promise<Entry> {
  const address = new URL(`../${module}${extension}`, import.meta.url).href;
  const entry = record(await import(address), module)[name];
  if (typeof entry !== 'function') throw new Error(`${module} has no ${name}`);
  return entry as Entry;
}

async function runProcess(module: string, name: string, args: readonly string[]): Promise<number> {
  const code: unknown = await (await loadEntry(module, name))(args);
  return typeof code === 'number' ? code : 1;
}

/** The doctor where no host runs: the host's own code in this process. */
export async function runHostless(what: 'doctor'): Promise<DoctorReport> {
  // Same build, so the same type.
  return (await (
    await loadEntry(`main/${what}-command`, 'runDoctorAlone')
  )()) as DoctorReport;
}

/** These take their own words: the entry parses them and tells wrong usage by exit code 2. */
export interface ProcessCommand extends Pick<Command, 'name' | 'usage' | 'summary' | 'details'> {
  start(args: readonly string[], streams: Streams): Promise<number>;
}

export const serveCommand: ProcessCommand = {
  name: 'serve',
  usage: 'serve [--endpoint URL] [--demo] [--panel-port N] [--listen ADDR]',
  summary: 'run the host in this terminal, until Ctrl-C',
  details: [
    'Prints one JSON line when it is ready; messages go to standard error and to the log.',
    '--endpoint URL   another Hub (or HF_ENDPOINT); default https://huggingface.co',
    '--demo           start the embedded Hub with demo content and use it',
    '--panel-port N   serve the panel for browsers on this port of this machine; any free one by default',
    '--listen ADDR    let NFS servers listen elsewhere than on 127.0.0.1; for tests only',
    'The first Ctrl-C sends what is pending and unmounts; the second keeps the rest for the next start.',
  ],
  start: (args) => runProcess('main/serve', 'runServe', args),
};

export const hubCommand: ProcessCommand = {
  name: 'hub',
  usage: 'hub [--port N] [--data DIR] [--seed demo|none]',
  summary: 'run the embedded Hub alone',
  details: [
    'Prints {"endpoint","token"} as one JSON line: give them to any Hub client as HF_ENDPOINT and HF_TOKEN.',
    '--port N      port on 127.0.0.1; any free one by default',
    '--data DIR    where it keeps its data',
    '--seed demo   fill an empty Hub with demo content (default); none leaves it empty',
  ],
  start: (args) => runProcess('hub-local/main', 'runHubCommand', args),
};
