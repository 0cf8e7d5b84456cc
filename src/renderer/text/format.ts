// Numbers, sizes, times and names as a person reads them. Pure; English words come from strings.ts.

import { formatBytes } from '../../shared/bytes.ts';
import { strings } from './strings.ts';

export function formatRate(bytesPerSecond: number): string {
  return `${formatBytes(bytesPerSecond)}/s`;
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** For calls and uploads: from microseconds to minutes. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1) return `${Math.max(1, Math.round(durationMs * 1000))} µs`;
  if (durationMs < 1000) return `${durationMs < 10 ? durationMs.toFixed(1) : Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1000).toFixed(1)} s`;
  return `${Math.floor(durationMs / 60_000)} min ${Math.round((durationMs % 60_000) / 1000)} s`;
}

/** Hours, minutes, seconds of the day. */
export function formatClock(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** “15:40”, or “tomorrow 08:00” on another day. */
export function formatUntil(at: number, now: number): string {
  const time = formatClock(at).slice(0, 5);
  const isToday = new Date(at).toDateString() === new Date(now).toDateString();
  return isToday ? time : strings.time.tomorrow(time);
}

/** “in 40 s”, “in 3 min”, “in 2 h”; never a negative time. */
export function formatIn(delayMs: number): string {
  const seconds = Math.ceil(delayMs / 1000);
  if (seconds <= 0) return strings.time.now;
  if (seconds < 60) return strings.time.in(`${seconds} s`);
  if (seconds < 3600) return strings.time.in(`${Math.ceil(seconds / 60)} min`);
  return strings.time.in(`${Math.ceil(seconds / 3600)} h`);
}

const day = 24 * 3600_000;

export function formatAgo(agoMs: number): string {
  if (agoMs < 60_000) return strings.time.justNow;
  if (agoMs < 3600_000) return strings.time.ago(`${Math.floor(agoMs / 60_000)} min`);
  if (agoMs < day) return strings.time.ago(`${Math.floor(agoMs / 3600_000)} h`);
  const days = Math.floor(agoMs / day);
  if (days < 60) return strings.time.ago(days === 1 ? '1 day' : `${days} days`);
  if (days < 730) return strings.time.ago(`${Math.floor(days / 30)} months`);
  return strings.time.ago(`${Math.floor(days / 365)} years`);
}

export interface SourceName {
  readonly kind: string;
  readonly owner: string;
  readonly name: string;
  /** '' for the whole source. */
  readonly subfolder: string;
}

/** Takes `KIND/OWNER/NAME[/SUB]` apart for showing; never fails. */
export function splitSource(source: string): SourceName {
  const [kind = '', owner = '', name = '', ...rest] = source.split('/');
  return { kind, owner, name: name === '' ? source : name, subfolder: rest.join('/') };
}
