// Runs system programs in children that can be killed, with a deadline each. Everything that may touch a mounted path or ask a person
// for a password goes through here; nothing else of the host starts system programs.

import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly deadlineMs: number;
  readonly signal?: AbortSignal;
  /** Added to a minimal environment with LC_ALL=C, so that output can be parsed. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  /** Null when it was killed or could not be started. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** `deadline`: killed for time; `aborted`: by the signal; `not-found`: no such program. */
  readonly ended: 'exited' | 'deadline' | 'aborted' | 'not-found';
}

/** Never rejects. */
export type RunCommand = (
  program: string,
  parameters: readonly string[],
  options: CommandOptions,
) => Promise<CommandResult>;

const maxOutputBytes = 4 * 2 ** 20;
/** A child that hangs in the kernel (a dead mount) ignores even SIGKILL; it is left behind after this. */
const killGraceMs = 1500;
const passedOn = [
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XDG_RUNTIME_DIR',
  'XAUTHORITY',
  'DBUS_SESSION_BUS_ADDRESS',
];
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export const runCommand: RunCommand = (program, parameters, options) =>
  new Promise((resolve) => {
    const child = spawn(program, [...parameters], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: environment(options.env),
      cwd: '/',
    });
    const output = { stdout: '', stderr: '' };
    let ended: CommandResult['ended'] = 'exited';
    let graceTimer: NodeJS.Timeout | null = null;
    const collect = (name: 'stdout' | 'stderr') => (data: Buffer) => {
      if (output[name].length < maxOutputBytes) output[name] += data.toString('utf8');
    };
    child.stdout.on('data', collect('stdout'));
    child.stderr.on('data', collect('stderr'));

    const finish = (code: number | null) => {
      clearTimeout(deadline);
      if (graceTimer !== null) clearTimeout(graceTimer);
      options.signal?.removeEventListener('abort', onAbort);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve({ code, ...output, ended });
    };
    const stop = (why: 'deadline' | 'aborted') => {
      if (ended !== 'exited') return;
      ended = why;
      killGroup(child.pid);
      graceTimer = setTimeout(() => finish(null), killGraceMs);
    };
    const onAbort = () => stop('aborted');
    const deadline = setTimeout(() => stop('deadline'), options.deadlineMs);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    if (options.signal?.aborted === true) onAbort();

    child.once('error', (error) => {
      output.stderr ||= error.message;
      ended = 'not-found';
      finish(null);
    });
    child.once('close', (code) => finish(code));
  });

function environment(added: CommandOptions['env'] = {}): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { PATH: systemPath, LC_ALL: 'C', LANG: 'C' };
  for (const name of passedOn) {
    const value = process.env[name];
    if (value !== undefined && value !== '') env[name] = name === 'PATH' ? `${value}:${systemPath}` : value;
  }
  return { ...env, ...added };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // ESRCH: it has just ended. EPERM: it became another user (sudo, pkexec) and ends by its closed pipes.
    if (!(error instanceof Error && 'code' in error && (error.code === 'ESRCH' || error.code === 'EPERM')))
      throw error;
  }
}
