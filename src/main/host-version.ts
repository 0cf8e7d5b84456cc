// The product's version, read once from the package.json nearest above this file (source, build and packaged app differ in depth).

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { record } from '../shared/arguments.ts';

export function readHostVersion(): string {
  let directory = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(directory, 'package.json'))) {
    if (dirname(directory) === directory) return '0.0.0';
    directory = dirname(directory);
  }
  const { version } = record(
    JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')),
    'package.json',
  );
  return typeof version === 'string' ? version : '0.0.0';
}
