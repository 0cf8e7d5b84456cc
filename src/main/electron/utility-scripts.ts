// Runs a JavaScript file of ours in a killable process of its own, as Electron's utility process: the packaged program does not act as Node
// (a fuse), so it cannot start itself as one.

import { utilityProcess } from 'electron';
import type { RunScript } from '../system/busy-programs.ts';
import type { CommandResult } from '../system/command-runner.ts';

const maxOutputBytes = 4 * 2 ** 20;

/** Once Electron is ready. For scripts that print one line and are done. Never rejects. */
export const runUtilityScript: RunScript = (path, parameters, options) =>
  new Promise((resolve) => {
    const child = utilityProcess.fork(path, [...parameters], {
      stdio: 'pipe',
      cwd: '/',
      serviceName: 'Hubdrive helper',
      env: { ...process.env, ...options.env },
    });
    let stdout = '';
    let stderr = '';
    const finish = (code: number | null, ended: CommandResult['ended']): void => {
      clearTimeout(deadline);
      options.signal?.removeEventListener('abort', abort);
      // Does not end by itself: its event loop stays open for messages.
      child.kill();
      resolve({ code, stdout, stderr, ended });
    };
    const abort = (): void => finish(null, 'aborted');
    const deadline = setTimeout(() => finish(null, 'deadline'), options.deadlineMs);
    options.signal?.addEventListener('abort', abort, { once: true });
    child.stdout?.on('data', (data: Buffer) => {
      if (stdout.length < maxOutputBytes) stdout += data.toString('utf8');
      if (stdout.endsWith('\n')) finish(0, 'exited');
    });
    child.stderr?.on('data', (data: Buffer) => {
      if (stderr.length < maxOutputBytes) stderr += data.toString('utf8');
    });
    child.once('exit', (code) => finish(code, 'exited'));
  });
