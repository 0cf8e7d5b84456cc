// `status`, `activity`, `pending`, `doctor`: the commands that only look.

import type { ActivityEvent, Transfer } from '../shared/activity.ts';
import type { ActivityBatch } from '../shared/contract.ts';
import type { DoctorReport, MountView, PendingEntry } from '../shared/model.ts';
import type { Command, Streams } from './command.ts';
import { Connection, currentPlaces } from './connection.ts';
import { formatBytes } from '../shared/bytes.ts';
import { formatClock, formatCount, formatTable, formatUntil, plain } from './output.ts';
import { runHostless } from './process-commands.ts';
import { connect } from './start-host.ts';
import { targetOf } from './target.ts';

export const statusCommand: Command = {
  name: 'status',
  usage: 'status [--json]',
  summary: 'show all mounts and what they do',
  details: ['Without a running host there are no mounts; that is not an error.'],
  form: { flags: ['json'], options: [], minPositionals: 0, maxPositionals: 0 },
  async run(parsed, { out }) {
    const connection = await Connection.open(currentPlaces().controlSocketPath);
    if (connection === null) {
      out(
        parsed.has('json') ? `${JSON.stringify({ mounts: [] }, null, 2)}\n` : 'No Hubdrive host is running\n',
      );
      return 0;
    }
    try {
      const { mounts, hostVersion, endpoint } = await connection.call('state:get', null);
      if (parsed.has('json')) out(`${JSON.stringify({ mounts, hostVersion, endpoint }, null, 2)}\n`);
      else out(describeStatus(mounts));
      return 0;
    } finally {
      connection.close();
    }
  },
};

/** Over the wire, not sent because the Hub had it, and fetched only to make the new version of an edited file. */
const sentColumns = ['SENT', 'SAVED', 'FOR EDITS'] as const;

export function describeStatus(mounts: readonly MountView[]): string {
  if (mounts.length === 0)
    return 'Nothing is mounted. Mount something with: hubdrive mount bucket/OWNER/NAME\n';
  const rows = mounts.map((mount) => [
    mount.source + (mount.revision === null ? '' : `@${mount.revision}`),
    sentence(mount),
    mount.mountPoint ?? (mount.nfs === null ? '-' : `port ${mount.nfs.port}`),
    mount.pending.files === 0 ? '-' : `${mount.pending.files} (${formatBytes(mount.pending.bytes)})`,
    formatBytes(mount.counters.readBytes),
    formatBytes(mount.counters.writtenBytes),
    formatBytes(mount.counters.uploadedBytes),
    formatBytes(mount.counters.savedBytes),
    formatBytes(mount.counters.editDownloadedBytes),
  ]);
  const table = formatTable([
    ['SOURCE', 'STATE', 'WHERE', 'PENDING', 'READ', 'WRITTEN', ...sentColumns],
    ...rows,
  ]);
  const errors = mounts.filter((mount) => mount.lastError !== null);
  return (
    table + errors.map((mount) => `\n${mount.source}: ${plain(mount.lastError?.message ?? '')}\n`).join('')
  );
}

function sentence(mount: MountView): string {
  const words: string[] = [mount.state === 'mounted' && mount.serverOnly ? 'served' : mount.state];
  if (mount.state === 'draining' && !mount.attached) words[0] = 'unmounted, sending';
  if (mount.readOnly) words.push('read-only');
  if (mount.server === 'restarting') words.push('engine restarting');
  if (mount.link === 'offline') words.push('offline');
  if (mount.uploadsPaused) words.push('uploads paused');
  return words.join(', ');
}

export const pendingCommand: Command = {
  name: 'pending',
  usage: 'pending [SOURCE|PATH] [--json]',
  summary: 'list local changes that are not on the Hub yet',
  details: ['Everything listed is safe on this disk; failed items are tried again by themselves.'],
  form: { flags: ['json'], options: [], minPositionals: 0, maxPositionals: 1 },
  async run(parsed, { out }) {
    const connection = await connect();
    try {
      const target = targetOf(parsed.positionals[0]);
      const { items, omitted } = await connection.call('mounts:pending', { target });
      if (parsed.has('json'))
        out(`${JSON.stringify(omitted === 0 ? { items } : { items, omitted }, null, 2)}\n`);
      else out(describePending(items, omitted, Date.now()));
      return 0;
    } finally {
      connection.close();
    }
  },
};

export function describePending(items: readonly PendingEntry[], omitted: number, now: number): string {
  const more = omitted === 0 ? '' : `… and ${omitted} more\n`;
  if (items.length === 0) return omitted === 0 ? 'Nothing is pending; everything is on the Hub\n' : more;
  const rows = items.map((item) => [
    plain(item.path),
    item.kind,
    formatBytes(item.bytes),
    stage(item, now),
    item.source,
  ]);
  return formatTable([['PATH', 'WHAT', 'SIZE', 'STATE', 'SOURCE'], ...rows]) + more;
}

function stage(item: PendingEntry, now: number): string {
  switch (item.state) {
    case 'received':
      return 'received';
    case 'safe':
      return `safe here, sent ${formatUntil(item.sendAt ?? now, now)}`;
    case 'uploading':
      return `uploading ${formatBytes(item.doneBytes ?? 0)} of ${formatBytes(item.totalBytes ?? item.bytes)}`;
    case 'committing':
      return 'committing';
    case 'failed':
      return `failed: ${plain(item.cause ?? '')}; next try ${formatUntil(item.nextTryAt ?? now, now)}`;
  }
}

export const activityCommand: Command = {
  name: 'activity',
  usage: 'activity [SOURCE|PATH] [--follow] [--json]',
  summary: 'show what programs did in the mounts',
  details: ['--follow   go on until interrupted', '--json     one JSON object a line'],
  form: { flags: ['follow', 'json'], options: [], minPositionals: 0, maxPositionals: 1 },
  async run(parsed, streams) {
    const connection = await connect();
    const show = (batch: ActivityBatch) => showActivity(batch, parsed.has('json'), streams);
    const argument = { target: targetOf(parsed.positionals[0]) };
    try {
      if (!parsed.has('follow')) {
        show(await connection.call('activity:backlog', argument));
        return 0;
      }
      const stopped = interrupted();
      connection.on('activity:batch', show);
      show(await connection.call('activity:subscribe', argument));
      await Promise.race([connection.closed, stopped]);
      return 0;
    } finally {
      connection.close();
    }
  },
};

function showActivity(batch: ActivityBatch, json: boolean, { out, err }: Streams): void {
  for (const { source, events, dropped } of batch.mounts) {
    for (const event of events)
      out(json ? `${JSON.stringify({ source, ...event })}\n` : describeEvent(source, event));
    if (dropped > 0) err(`(${formatCount(dropped, 'event', 'events')} of ${source} not shown)\n`);
  }
}

export function describeEvent(source: string, event: ActivityEvent): string {
  const path = plain(event.path === '' ? '/' : event.path);
  const parts = [formatClock(event.at), event.kind.padEnd(8), `${source}: ${path}`];
  if (event.toPath !== undefined) parts.push(`→ ${plain(event.toPath)}`);
  if (event.bytes !== undefined) parts.push(formatBytes(event.bytes));
  if (event.offset !== undefined) parts.push(`at ${event.offset}`);
  if (event.durationMs !== undefined) parts.push(`${event.durationMs.toFixed(1)} ms`);
  if (event.detail !== undefined) parts.push(plain(event.detail));
  if (event.transfer !== undefined) parts.push(describeTransfer(event.transfer));
  return `${parts.join('  ')}\n`;
}

function describeTransfer({ changedBytes, sentBytes, savedBytes, downloadedBytes }: Transfer): string {
  const words = [`${formatBytes(changedBytes)} changed`, `${formatBytes(sentBytes)} sent`];
  if (savedBytes > 0) words.push(`${formatBytes(savedBytes)} saved`);
  if (downloadedBytes > 0) words.push(`${formatBytes(downloadedBytes)} fetched for it`);
  return `(${words.join(', ')})`;
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

export const doctorCommand: Command = {
  name: 'doctor',
  usage: 'doctor [--json]',
  summary: 'check everything that mounting needs, and say what to do',
  details: ['Exit code 1 when a check failed.'],
  form: { flags: ['json'], options: [], minPositionals: 0, maxPositionals: 0 },
  async run(parsed, { out }) {
    const connection = await Connection.open(currentPlaces().controlSocketPath);
    try {
      const report =
        connection === null ? await runHostless('doctor') : await connection.call('doctor:run', null);
      out(parsed.has('json') ? `${JSON.stringify(report, null, 2)}\n` : describeReport(report));
      return report.checks.some((check) => check.status === 'failed') ? 1 : 0;
    } finally {
      connection?.close();
    }
  },
};

export function describeReport({ checks }: DoctorReport): string {
  const marks = { ok: 'ok', warning: 'warning', failed: 'FAILED' };
  return checks
    .map(({ status, title, detail, fix }) => {
      const line = `${marks[status].padEnd(8)}${plain(title)}: ${plain(detail)}\n`;
      return fix === undefined ? line : `${line}        → ${plain(fix)}\n`;
    })
    .join('');
}
