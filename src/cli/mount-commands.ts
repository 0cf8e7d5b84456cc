// `mount`, `unmount`, `flush`: the commands that change something.

import { resolve } from 'node:path';
import type { MountView } from '../shared/model.ts';
import type { Command } from './command.ts';
import { formatBytes } from '../shared/bytes.ts';
import { formatCount } from './output.ts';
import { connect, connectOrStart } from './start-host.ts';
import { requiredTarget, targetOf } from './target.ts';

export const mountCommand: Command = {
  name: 'mount',
  usage: 'mount SOURCE [PATH] [--read-only] [--revision REV] [--server-only] [--json]',
  summary: 'mount a bucket or repo as a folder',
  details: [
    'SOURCE is bucket/OWNER/NAME[/SUB], or model, dataset or space instead of bucket. Repos are read-only.',
    'PATH is an empty or new folder; without it ~/Hubdrive/OWNER/NAME.',
    '--revision REV   a branch, tag, commit or refs/pr/N of a repo',
    '--read-only      refuse every change',
    '--server-only    run the NFS server without the system mount; its port and export path are printed',
    '--json           print the mount as JSON',
    'Starts the host when none is running.',
  ],
  form: {
    flags: ['read-only', 'server-only', 'json'],
    options: ['revision'],
    minPositionals: 1,
    maxPositionals: 2,
  },
  async run(parsed, { out }) {
    const [source = '', path] = parsed.positionals;
    const connection = await connectOrStart();
    try {
      const mount = await connection.call('mounts:mount', {
        source,
        mountPoint: path === undefined ? null : resolve(path),
        readOnly: parsed.has('read-only'),
        revision: parsed.text('revision'),
        serverOnly: parsed.has('server-only'),
      });
      out(parsed.has('json') ? `${JSON.stringify(mount, null, 2)}\n` : describeMounted(mount));
      return 0;
    } finally {
      connection.close();
    }
  },
};

function describeMounted(mount: MountView): string {
  if (mount.mountPoint !== null) return `${mount.source} is mounted at ${mount.mountPoint}\n`;
  const { host = '', port = 0, exportPath = '' } = mount.nfs ?? {};
  return (
    `${mount.source} is served on ${host} port ${port} (NFS and MOUNT), export ${exportPath}\n` +
    `Try: nfs-ls 'nfs://${host}${exportPath}?nfsport=${port}&mountport=${port}'\n`
  );
}

export const unmountCommand: Command = {
  name: 'unmount',
  usage: 'unmount SOURCE|PATH [--discard [--yes]] [--now] [--force] [--json]',
  summary: 'send what is pending, then unmount',
  details: [
    'What cannot be sent in time stays on this disk and is sent later; nothing is lost.',
    '--now       do not wait for uploads: the rest is sent after the folder is gone, or at the next start',
    '--discard   give up local changes that are not on the Hub, for good',
    '--yes       with --discard, also where it is not mounted',
    '--force     unmount even while programs use the folder; they get errors',
  ],
  form: {
    flags: ['discard', 'yes', 'now', 'force', 'json'],
    options: [],
    minPositionals: 1,
    maxPositionals: 1,
  },
  async run(parsed, { out }) {
    const connection = await connect();
    try {
      const request = {
        target: requiredTarget(parsed.positionals[0] ?? ''),
        discard: parsed.has('discard'),
        ifUnsent: parsed.has('now') ? ('keep-now' as const) : ('keep' as const),
        force: parsed.has('force'),
        confirmed: parsed.has('yes'),
      };
      const { mount } = await connection.call('mounts:unmount', request);
      out(parsed.has('json') ? `${JSON.stringify(mount, null, 2)}\n` : describeUnmounted(mount));
      return 0;
    } finally {
      connection.close();
    }
  },
};

function describeUnmounted({ source, pending, state }: MountView): string {
  if (pending.files === 0) return `${source} is unmounted; everything is on the Hub\n`;
  const what = `${formatCount(pending.files, 'change', 'changes')} (${formatBytes(pending.bytes)})`;
  const when =
    state === 'draining' ? 'being sent in the background' : 'kept on this disk and sent at the next start';
  return `${source} is unmounted; ${what} not on the Hub yet, ${when}\n`;
}

export const flushCommand: Command = {
  name: 'flush',
  usage: 'flush [SOURCE|PATH]',
  summary: 'send everything that is pending and wait for it',
  details: ['Without SOURCE: of all mounts. Fails with the first thing that cannot be sent.'],
  form: { flags: [], options: [], minPositionals: 0, maxPositionals: 1 },
  async run(parsed, { out }) {
    const [target] = parsed.positionals;
    const connection = await connect();
    try {
      await connection.call('mounts:flush', { target: targetOf(target) });
      out('Everything is on the Hub\n');
      return 0;
    } finally {
      connection.close();
    }
  },
};
