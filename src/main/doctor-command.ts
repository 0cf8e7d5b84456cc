// The health report where no host runs: the same checks in this process. Used by the command line.

import { readFile } from 'node:fs/promises';
import type { DoctorReport } from '../shared/model.ts';
import { runCommand } from './system/command-runner.ts';
import { currentPlaces } from './files/data-dir.ts';
import { runDoctor } from './doctor.ts';
import { createSystemDriver } from './system/system-driver.ts';
import { environmentTokens } from './account/token-source.ts';

export function runDoctorAlone(): Promise<DoctorReport> {
  return runDoctor({
    dataDir: currentPlaces().dataDir,
    endpoint: process.env['HF_ENDPOINT'] || 'https://huggingface.co',
    tokens: environmentTokens(process.env),
    driver: createSystemDriver(),
    run: runCommand,
    readText: (path) => readFile(path, 'utf8'),
    mounts: [],
    hostRuns: false,
    fetch: globalThis.fetch,
  });
}
