// The printed report: machine, one table per group, and at the end what was aimed at and missed. The JSON beside it holds the same and
// every single figure.

import type { Machine } from './machine.ts';
import type { GroupResult } from './runner.ts';
import { ownSubject, ratios, summarise, type Series, type Summary, type Verdict } from './statistics.ts';

export interface Report {
  readonly machine: Machine;
  readonly startedAt: string;
  readonly loadBefore: number;
  readonly loadAfter: number;
  readonly isQuick: boolean;
  readonly groups: readonly GroupResult[];
}

export function describeMachineLines({ machine, isQuick }: Pick<Report, 'machine' | 'isQuick'>): string {
  const memory = `${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  const quick = isQuick
    ? 'A quick run: it shows that everything works; its figures are no measurement.\n'
    : '';
  return (
    `${machine.processor}, ${machine.cores} cores, ${memory}, ${machine.system}\n` +
    `node ${machine.node}, hubdrive ${machine.commit}, ganesha: ${machine.ganesha ?? 'not installed'}\n${quick}`
  );
}

export function describeGroup(group: GroupResult): string {
  const lines = [`\n${group.name} (${(group.durationMs / 1000).toFixed(0)} s)`];
  if (group.unavailable !== null) lines.push(`  not measured: ${group.unavailable}`);
  for (const { subject, why } of group.missing) lines.push(`  without ${subject}: ${why}`);
  lines.push(...table(group));
  for (const verdict of group.verdicts) lines.push(`  ${describeVerdict(verdict)}`);
  if (group.failure !== null) lines.push(`  ${group.isWrong ? 'WRONG' : 'FAILED'}: ${group.failure}`);
  return `${lines.join('\n')}\n`;
}

export function describeEnd(report: Report): string {
  const verdicts = report.groups.flatMap((group) => group.verdicts);
  const missed = verdicts.filter((verdict) => verdict.isMet === false);
  const open = verdicts.filter((verdict) => verdict.isMet === null);
  const lines = [
    `\nLoad average ${report.loadBefore.toFixed(2)} before, ${report.loadAfter.toFixed(2)} after.`,
    `Targets: ${verdicts.length - missed.length - open.length} met, ${missed.length} missed, ${open.length} not measured.`,
    ...[...missed, ...open].map((verdict) => `  ${describeVerdict(verdict)}`),
  ];
  const broken = report.groups.filter((group) => group.failure !== null);
  if (broken.length > 0) lines.push(`Groups that failed: ${broken.map((group) => group.name).join(', ')}.`);
  return `${lines.join('\n')}\n`;
}

function describeVerdict({ target, text, summary, isMet }: Verdict): string {
  const outcome = isMet === null ? 'not measured' : isMet ? 'met   ' : 'MISSED';
  const reached = summary === null ? '' : `: ${figure(summary.median)} (${spread(summary)})`;
  return `${outcome}  ${target.metric} ${text}${reached}`;
}

function table(group: GroupResult): string[] {
  const head = ['row', 'subject', 'median', '', 'spread', 'CPU us/op', 'hubdrive is'];
  const rows = group.series.map((series) => rowOf(group.series, series));
  if (rows.length === 0) return [];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  return [head, ...rows].map((row) =>
    `  ${row.map((cell, column) => align(cell, column, widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
}

function align(cell: string, column: number, width: number): string {
  return column === 2 || column === 5 ? cell.padStart(width) : cell.padEnd(width);
}

function rowOf(all: readonly Series[], series: Series): string[] {
  const summary = summarise(series.values);
  const isFirst = all.find((other) => other.metric === series.metric) === series;
  const values = series.subject === ownSubject ? null : ratios(all, series.metric, series.subject);
  const ratio = values === null ? null : summarise(values);
  return [
    isFirst ? series.metric : '',
    series.subject,
    figure(summary.median),
    series.unit,
    spread(summary),
    series.processorUs.length === 0 ? '' : figure(summarise(series.processorUs).median),
    ratio === null ? '' : `${figure(ratio.median)} x (${spread(ratio)})`,
  ];
}

function spread({ lowest, highest }: Summary): string {
  return lowest === highest ? figure(lowest) : `${figure(lowest)}–${figure(highest)}`;
}

/** Three significant digits, whole numbers from 100 on. */
function figure(value: number): string {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  return size >= 100 ? Math.round(value).toLocaleString('en-US') : value.toFixed(size >= 10 ? 1 : 2);
}
