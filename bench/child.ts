// A process of the benchmark's own that runs exported functions of modules of ours: the load generator, the ceiling server and the
// embedded Hub each live in one, so that no subject shares an event loop with another. `startChild` is the parent's end.

import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Request {
  readonly id: number;
  readonly module: string;
  readonly name: string;
  readonly argument: unknown;
}

type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: string; readonly errorName: string };

export interface BenchChild {
  readonly pid: number;
  /** Awaits what the export `name` of `module` (an address of a file) returns for `argument`; both must be plain data. */
  call<T>(module: URL, name: string, argument: unknown): Promise<T>;
  close(): Promise<void>;
}

export interface ChildOptions {
  readonly nodeFlags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export class ChildError extends Error {}

/** Starts this file as a process. */
export function startChild(options: ChildOptions = {}): BenchChild {
  const child = fork(fileURLToPath(import.meta.url), [], {
    execArgv: ['--disable-warning=ExperimentalWarning', ...(options.nodeFlags ?? [])],
    env: { ...process.env, ...options.env },
    serialization: 'advanced',
  });
  const waiters = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let id = 0;
  let isGone = false;
  child.on('message', (answer: Answer) => {
    const waiter = waiters.get(answer.id);
    waiters.delete(answer.id);
    if ('error' in answer) {
      const error = new ChildError(answer.error);
      error.name = answer.errorName;
      waiter?.reject(error);
    } else waiter?.resolve(answer.value);
  });
  const fail = (cause: string): void => {
    isGone = true;
    for (const waiter of waiters.values()) waiter.reject(new ChildError(cause));
    waiters.clear();
  };
  child.once('error', (error) => fail(error.message));
  child.once('exit', (code, signal) => fail(`a process of the benchmark ended (${signal ?? code})`));
  return {
    pid: child.pid ?? 0,
    call: <T>(module: URL, name: string, argument: unknown) =>
      new Promise<T>((resolve, reject) => {
        if (isGone) {
          reject(new ChildError('the process has ended'));
          return;
        }
        id += 1;
        waiters.set(id, { resolve: (value) => resolve(value as T), reject });
        child.send({ id, module: module.href, name, argument } satisfies Request);
      }),
    close: () => endChild(child),
  };
}

/** Asks the process to end, and kills it if it does not. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  await ended;
  clearTimeout(timer);
}

const patienceMs = 10_000;

async function serve(request: Request): Promise<void> {
  let answer: Answer;
  try {
    const module: unknown = await import(request.module);
    const run: unknown = Reflect.get(module as object, request.name);
    if (typeof run !== 'function') throw new Error(`${request.module} exports no function ${request.name}`);
    answer = { id: request.id, value: await (run(request.argument) as unknown) };
  } catch (error) {
    const isError = error instanceof Error;
    answer = {
      id: request.id,
      error: isError ? (error.stack ?? error.message) : String(error),
      errorName: isError ? error.name : 'Error',
    };
  }
  process.send?.(answer);
}

if (import.meta.main) {
  process.on('message', (request: Request) => void serve(request));
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
  // Ctrl-C reaches the whole group; the parent ends its children itself.
  process.on('SIGINT', () => undefined);
}
