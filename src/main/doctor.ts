// The health report: what is needed to mount and to reach the Hub, and how each running mount does. Every check that may hang runs in a
// child or with a deadline. Secrets are never part of it.

import { access, constants, statfs } from 'node:fs/promises';
import type { DoctorCheck, DoctorReport, MountView } from '../shared/model.ts';
import type { RunCommand } from './system/command-runner.ts';
import type { OsMountDriver } from './system/os-mount.ts';
import { errnoOf, problemOf } from './problem.ts';
import type { TokenSource } from './account/token-source.ts';

export interface DoctorParts {
  readonly dataDir: string;
  readonly endpoint: string;
  readonly tokens: TokenSource;
  readonly driver: OsMountDriver;
  readonly run: RunCommand;
  readonly readText: (path: string) => Promise<string>;
  readonly mounts: readonly MountView[];
  /** Whether this report comes from a running host. */
  readonly hostRuns: boolean;
  readonly fetch: typeof fetch;
}

const networkDeadlineMs = 8000;
const mountCheckDeadlineMs = 5000;
const lowSpaceBytes = 2 * 2 ** 30;

type Result = Omit<DoctorCheck, 'id' | 'title'>;

export async function runDoctor(parts: DoctorParts): Promise<DoctorReport> {
  const checks: readonly (readonly [id: string, title: string, check: () => Promise<Result> | Result])[] = [
    ['host', 'Host', () => checkHost(parts)],
    ['data', 'Data directory', () => checkData(parts)],
    ['token', 'Hugging Face token', () => checkToken(parts)],
    ['hub', 'Hub', () => checkHub(parts)],
    ['kernel', 'NFS client of the system', () => checkKernel(parts)],
    ['rights', 'Right to mount', () => checkRights(parts)],
    ...parts.mounts
      .filter((mount) => mount.state === 'mounted')
      .map((mount) => [`mount:${mount.id}`, mount.source, () => checkMount(parts, mount)] as const),
  ];
  return { checks: await Promise.all(checks.map(([id, title, check]) => runOne(id, title, check))) };
}

async function runOne(
  id: string,
  title: string,
  check: () => Promise<Result> | Result,
): Promise<DoctorCheck> {
  try {
    return { id, title, ...(await check()) };
  } catch (error) {
    return { id, title, status: 'failed', detail: problemOf(error).message };
  }
}

function checkHost({ hostRuns }: DoctorParts): Result {
  const versions = `Node ${process.versions.node}, ${process.platform} ${process.arch}`;
  return hostRuns
    ? { status: 'ok', detail: `running as process ${process.pid}; ${versions}` }
    : {
        status: 'warning',
        detail: `not running; ${versions}`,
        fix: 'hubdrive serve, or hubdrive mount SOURCE starts it',
      };
}

async function checkData({ dataDir }: DoctorParts): Promise<Result> {
  await access(dataDir, constants.R_OK | constants.W_OK);
  const { bavail, bsize } = await statfs(dataDir);
  const freeBytes = bavail * bsize;
  const detail = `${dataDir}, ${(freeBytes / 2 ** 30).toFixed(1)} GiB free`;
  if (freeBytes >= lowSpaceBytes) return { status: 'ok', detail };
  return {
    status: 'warning',
    detail,
    fix: 'Free some space: changed files are kept here until they are on the Hub',
  };
}

async function checkToken({ tokens }: DoctorParts): Promise<Result> {
  const found = await tokens();
  if (found !== null) return { status: 'ok', detail: `found (${found.origin})` };
  return {
    status: 'warning',
    detail: 'none found: only public sources can be read, and nothing written',
    fix: 'Run “hf auth login”, or set HF_TOKEN',
  };
}

async function checkHub({ endpoint, tokens, fetch }: DoctorParts): Promise<Result> {
  const found = await tokens();
  const headers: Record<string, string> = found === null ? {} : { authorization: `Bearer ${found.token}` };
  const path = found === null ? '/api/models?limit=1' : '/api/whoami-v2';
  let response: Response;
  try {
    response = await fetch(`${endpoint}${path}`, { headers, signal: AbortSignal.timeout(networkDeadlineMs) });
    await response.body?.cancel();
  } catch (error) {
    return {
      status: 'failed',
      detail: `${endpoint} cannot be reached (${networkCauseOf(error)})`,
      fix: 'Check the network and HF_ENDPOINT. What is mounted and cached goes on working; the rest is sent later',
    };
  }
  if (response.ok)
    return { status: 'ok', detail: `${endpoint} answers${found === null ? '' : ' and accepts the token'}` };
  if (response.status === 401) {
    return {
      status: 'failed',
      detail: `${endpoint} refuses the token (401)`,
      fix: 'Log in again: hf auth login',
    };
  }
  return { status: 'warning', detail: `${endpoint} answered ${response.status}`, fix: 'Try again later' };
}

/** fetch says only "fetch failed"; the reason is in its cause. */
function networkCauseOf(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError')
    return `no answer in ${networkDeadlineMs / 1000} s`;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  return errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
}

async function checkKernel({ readText, run, driver }: DoctorParts): Promise<Result> {
  if (process.platform !== 'linux') return { status: 'ok', detail: 'part of the system' };
  if (!driver.mountsForReal) return { status: 'ok', detail: 'not needed' };
  if (/\bnfs$/m.test(await readText('/proc/filesystems'))) return { status: 'ok', detail: 'loaded' };
  const probe = await run('modprobe', ['-n', 'nfs'], { deadlineMs: mountCheckDeadlineMs });
  if (probe.code === 0) return { status: 'ok', detail: 'available; loaded at the first mount' };
  return {
    status: 'failed',
    detail: 'this kernel has no NFS client',
    fix: 'Install the kernel’s nfs module, or use hubdrive mount --server-only',
  };
}

async function checkRights({ driver }: DoctorParts): Promise<Result> {
  const ways = await driver.describeWays();
  const open = ways.filter((way) => way.available);
  const [best] = open;
  if (best !== undefined) return { status: 'ok', detail: `${best.name}: ${best.detail}` };
  return {
    status: 'failed',
    detail: ways.map((way) => `${way.name}: ${way.detail}`).join('; '),
    fix: 'Run the host as root, allow sudo for mount, add an /etc/fstab entry, or use --server-only',
  };
}

/** Looks at the mount from a child, as any program would. */
async function checkMount({ run }: DoctorParts, mount: MountView): Promise<Result> {
  if (mount.lastError !== null) return { status: 'warning', detail: mount.lastError.message };
  if (mount.mountPoint === null) return { status: 'ok', detail: `served on port ${mount.nfs?.port ?? 0}` };
  const look = await run('ls', ['-d', '--', mount.mountPoint], { deadlineMs: mountCheckDeadlineMs });
  if (look.code === 0) return { status: 'ok', detail: `answers at ${mount.mountPoint}` };
  return {
    status: 'failed',
    detail: `${mount.mountPoint} ${look.ended === 'deadline' ? 'does not answer' : `fails: ${look.stderr.trim()}`}`,
    fix: `hubdrive unmount ${mount.source}, then mount it again`,
  };
}
