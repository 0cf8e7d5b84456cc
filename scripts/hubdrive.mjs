#!/usr/bin/env node
// The `hubdrive` command from a checkout: makes sure of dependencies and of a new enough Node, then becomes the CLI.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureDependencies, findNode, nodeEnvironment, nodeFlags, rootDir } from './node-runtime.mjs';

ensureDependencies();
const child = spawn(findNode(), [...nodeFlags, join(rootDir, 'src/cli/main.ts'), ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: nodeEnvironment,
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
