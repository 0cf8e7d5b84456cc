// Shows a folder in the system's file manager, through a child that can be killed: the folder is a mount.

import type { RunCommand } from './command-runner.ts';
import { HostError } from '../problem.ts';

const deadlineMs = 15_000;

export async function openFolder(
  path: string,
  run: RunCommand,
  platform: NodeJS.Platform,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const hasDesktop = platform === 'darwin' || Boolean(env['DISPLAY']) || Boolean(env['WAYLAND_DISPLAY']);
  if (!hasDesktop) {
    throw new HostError('unsupported', `Hubdrive runs without a desktop here; the folder is “${path}”`);
  }
  const program = platform === 'darwin' ? 'open' : 'xdg-open';
  const { code, stderr, ended } = await run(program, [path], { deadlineMs });
  if (code === 0) return;
  const cause =
    ended === 'not-found' ? `“${program}” is not installed` : stderr.trim() || `it ended by ${ended}`;
  throw new HostError('unsupported', `The folder “${path}” could not be shown: ${cause}`, {
    retryable: true,
  });
}
