// The one user of pino-roll, which has no types of its own: a log file of at most 10 MiB with four older ones beside it.

import rollingStream from 'pino-roll';

const maxFileSize = '10m';
const olderFiles = 4;

export async function openRollingFile(path: string): Promise<NodeJS.WritableStream> {
  const stream: unknown = await rollingStream({
    file: path,
    size: maxFileSize,
    // Those of earlier runs count as well: a host that is started every day must not fill the disk.
    limit: { count: olderFiles, removeOtherLogFiles: true },
    mkdir: true,
    mode: 0o600,
  });
  if (!isWritable(stream)) throw new Error('pino-roll did not give a stream');
  return stream;
}

function isWritable(value: unknown): value is NodeJS.WritableStream {
  return typeof value === 'object' && value !== null && 'write' in value && 'end' in value;
}
