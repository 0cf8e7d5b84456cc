// The host's logger: pino writing JSON lines to a file that rolls by size, and short lines to a terminal. Every string is redacted
// before it is written. The layers below get it as `Log`.

import { join } from 'node:path';
import { Writable } from 'node:stream';
import { inspect } from 'node:util';
import { pino } from 'pino';
import type { Logger } from 'pino';
import type { Log, LogFields } from '../../shared/log.ts';
import type { Settings } from '../../shared/model.ts';
import { redactText } from './redact.ts';
import { openRollingFile } from './rolling-file.ts';

export interface HostLog extends Log {
  setLevel(level: Settings['logLevel']): void;
  /** Resolves when all lines are in the file. */
  close(): Promise<void>;
}

export interface HostLogOptions {
  readonly logDir: string;
  readonly level: Settings['logLevel'];
  /** Where short lines for a person go as well, from `info` up; null for none. */
  readonly terminal: NodeJS.WritableStream | null;
}

export async function openHostLog(options: HostLogOptions): Promise<HostLog> {
  const file = openRollingFile(join(options.logDir, 'hubdrive.log'));
  const streams: { stream: NodeJS.WritableStream; level: 'debug' | 'info' }[] = [
    { stream: file, level: 'debug' },
  ];
  if (options.terminal !== null) streams.push({ stream: shortLines(options.terminal), level: 'info' });
  const logger = pino({ level: options.level, base: { pid: process.pid } }, pino.multistream(streams));
  return {
    ...logThrough(logger),
    setLevel: (level) => {
      logger.level = level;
    },
    close: () => endOf(file),
  };
}

/** Adapts pino's order of arguments; `cause` becomes `err` with its stack and its chain of causes. */
export function logThrough(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(redactFields(fields), redactText(message)),
    info: (message, fields) => logger.info(redactFields(fields), redactText(message)),
    warn: (message, fields) => logger.warn(redactFields(fields), redactText(message)),
    error: (message, fields, cause) =>
      logger.error(
        { ...redactFields(fields), ...(cause === undefined ? {} : { err: redactText(stackOf(cause)) }) },
        redactText(message),
      ),
  };
}

function redactFields(fields: LogFields = {}): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? redactText(value) : value,
    ]),
  );
}

const maxCauses = 5;

function stackOf(cause: unknown): string {
  const parts: string[] = [];
  let current: unknown = cause;
  for (let depth = 0; depth < maxCauses && current !== undefined && current !== null; depth += 1) {
    parts.push(current instanceof Error ? (current.stack ?? current.message) : inspect(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.join('\ncaused by: ');
}

const levelNames: Readonly<Record<number, string>> = { 20: 'debug', 30: '', 40: 'warning: ', 50: 'error: ' };

/** `12:34:56 message (key=value …)`: for a person who watches; the file has everything. */
function shortLines(terminal: NodeJS.WritableStream): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      terminal.write(formatShort(chunk.toString('utf8')));
      done();
    },
  });
}

export function formatShort(line: string): string {
  const entry = JSON.parse(line) as Record<string, unknown>;
  const { level, time, msg, pid: _pid, err: _err, ...fields } = entry;
  const clock = new Date(Number(time)).toTimeString().slice(0, 8);
  const rest = Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(' ');
  return `${clock} ${levelNames[Number(level)] ?? ''}${String(msg)}${rest === '' ? '' : ` (${rest})`}\n`;
}

function endOf(stream: NodeJS.WritableStream): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('close', resolve);
    stream.once('error', reject);
    stream.end();
  });
}
