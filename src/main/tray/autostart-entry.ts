// The file by which a Linux desktop starts the app with the person's session (XDG autostart). Pure: where it lies and what is in it.

import { join } from 'node:path';
import { hiddenFlag } from './launch-arguments.ts';

/** `$XDG_CONFIG_HOME/autostart/hubdrive.desktop`. */
export function autostartPath(env: NodeJS.ProcessEnv, homeDir: string): string {
  const configured = env['XDG_CONFIG_HOME'];
  const configDir = configured?.startsWith('/') === true ? configured : join(homeDir, '.config');
  return join(configDir, 'autostart', 'hubdrive.desktop');
}

/** `program`: what to run; an AppImage itself, not the program inside it. */
export function autostartEntry(program: string): string {
  return [
    '[Desktop Entry]',
    'Type=Application',
    'Name=Hubdrive',
    'Comment=Hugging Face Buckets and repos as ordinary folders',
    `Exec=${quoteExec(program)} ${hiddenFlag}`,
    'Icon=hubdrive',
    'Terminal=false',
    'X-GNOME-Autostart-enabled=true',
    '',
  ].join('\n');
}

/** Desktop Entry Specification, “The Exec key”: quoted, then escaped once more as a string value; % starts a field code. */
function quoteExec(program: string): string {
  const quoted = program.replace(/["`$\\]/g, (character) => `\\${character}`);
  return `"${quoted.replaceAll('\\', '\\\\').replaceAll('%', '%%')}"`;
}
