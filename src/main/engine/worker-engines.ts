// The engine factory of the real host: a worker thread per engine.

import type { Log } from '../../shared/log.ts';
import type { Settings } from '../../shared/model.ts';
import type { TokenSource } from '../account/token-source.ts';
import { EngineClient } from './engine-client.ts';
import type { EngineFactory } from './engine.ts';

export interface WorkerEnginesOptions {
  readonly tokens: TokenSource;
  readonly log: Log;
  /** Read when an engine starts. */
  readonly logLevel: () => Settings['logLevel'];
  readonly workerUrl?: URL;
}

export function createWorkerEngines(options: WorkerEnginesOptions): EngineFactory {
  const { tokens, log, logLevel, workerUrl } = options;
  return (spec, listener) =>
    new EngineClient({
      spec,
      listener,
      log,
      logLevel: logLevel(),
      token: async () => (await tokens())?.token ?? null,
      ...(workerUrl === undefined ? {} : { workerUrl }),
    });
}
