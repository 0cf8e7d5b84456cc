// Boots a guest Linux kernel (User-Mode Linux) that has a real NFS client, runs one shell script in it as root and collects what the
// script reports. The guest sees this machine's files read-only, has a memory file system of its own below /run and no network
// but its own loopback, so nothing of the host can be reached or changed by it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const rootDir = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What the scripts use; each with the Debian package that brings it. */
const neededPrograms: readonly [program: string, debianPackage: string][] = [
  ['linux.uml', 'user-mode-linux'],
  ['modprobe', 'kmod'],
  ['ip', 'iproute2'],
  ['mount.nfs', 'nfs-common'],
  ['git', 'git'],
  ['rsync', 'rsync'],
  ['sqlite3', 'sqlite3'],
  ['vim.tiny', 'vim-tiny'],
  ['ed', 'ed'],
  ['/usr/bin/python3', 'python3'],
];

function isInstalled(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program);
  return ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((dir) => existsSync(join(dir, program)));
}

/** Why the guest cannot run here, with the command that mends it; null when it can. With `CI` set a missing part is an error. */
export function guestUnavailable(): string | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'User-Mode Linux runs on Linux x64 only';
  const missing = neededPrograms.filter(([program]) => !isInstalled(program)).map(([, name]) => name);
  if (missing.length === 0) return null;
  const reason = `missing ${missing.join(', ')}; install with: apt-get install -y ${missing.join(' ')}`;
  if (process.env['CI']) throw new Error(`the kernel tests must run in CI, but: ${reason}`);
  return reason;
}

export interface GuestResult {
  /** One per `check` of the script, in order. */
  readonly checks: readonly { readonly name: string; readonly passed: boolean; readonly output: string }[];
  /** The script ran to its end. */
  readonly finished: boolean;
  /** Console and the script's own output, for failure messages. */
  readonly log: string;
}

/**
 * Functions that every script has: `check NAME COMMAND…` runs a command (or function) with a limit of four minutes and reports it; `wait_for
 * COMMAND…` polls it for up to a minute.
 */
const prelude = `
export PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" LANG=C.UTF-8 CI=
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t tmpfs run /run
mount -t devtmpfs dev /dev 2>/dev/null; mkdir -p /dev/shm /dev/pts; mount -t tmpfs shm /dev/shm; mount -t devpts pts /dev/pts
mkdir -p /run/guest/{share,home,tmp,root,node,modules/lib/modules}
# Bound elsewhere first, so that a checkout below /tmp stays in sight when /tmp becomes writable.
mount --bind "$ROOT_DIR" /run/guest/root && mount --bind "$NODE_DIR" /run/guest/node && mount -t tmpfs tmp /tmp
ROOT_DIR=/run/guest/root PATH="/run/guest/node:$PATH"
export HOME=/run/guest/home TMPDIR=/run/guest/tmp HUBDRIVE_HOME=/run/guest/data
mount -t hostfs none /run/guest/share -o "$SHARE_DIR"
ln -s /usr/lib/uml/modules/$(uname -r) /run/guest/modules/lib/modules/
ip link set lo up
modprobe -d /run/guest/modules nfsv3
cd /run/guest/home
git config --global user.email guest@example.invalid; git config --global user.name Guest; git config --global init.defaultBranch main
SHARE=/run/guest/share
check() {
  local name="$1"; shift
  local output status
  output=$( { ( set -e; "$@" ) & local job=$! n; for ((n = 0; n < 4800; n++)); do kill -0 $job 2>/dev/null || break; sleep 0.05; done; kill -9 $job 2>/dev/null; wait $job; } 2>&1 )
  status=$?
  printf '%s\\t%s\\t%s\\n' "$status" "$name" "$(printf '%s' "$output" | tail -c 3000 | base64 -w0)" >> $SHARE/checks
  echo "[$status] $name"
  return 0
}
wait_for() { local n; for n in $(seq 600); do "$@" >/dev/null 2>&1 && return 0; sleep 0.1; done; echo "gave up waiting for: $*"; return 1; }
`;

/** Runs `script` (bash) in a fresh guest. `memoryMb` holds the guest's programs and all files below /run. */
export async function runInGuest(
  script: string,
  options: { memoryMb?: number; timeoutMs?: number } = {},
): Promise<GuestResult> {
  const shareDir = await mkdtemp(join(tmpdir(), 'hubdrive-guest-'));
  try {
    const initPath = join(shareDir, 'init');
    const nodeDir = dirname(process.execPath);
    const lines = [
      '#!/bin/bash',
      `NODE_DIR=${JSON.stringify(nodeDir)} SHARE_DIR=${JSON.stringify(shareDir)} ROOT_DIR=${JSON.stringify(rootDir)}`,
      prelude,
      'hubdrive() { node --disable-warning=ExperimentalWarning "$ROOT_DIR/src/cli/main.ts" "$@"; }',
      script,
      'echo done > $SHARE/finished; sync; poweroff -f',
    ];
    await writeFile(initPath, lines.join('\n'));
    await chmod(initPath, 0o755);
    const log = await boot(initPath, options.memoryMb ?? 2048, options.timeoutMs ?? 900_000);
    const checks = await readFile(join(shareDir, 'checks'), 'utf8').catch(() => '');
    return {
      checks: checks
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => {
          const [status = '', name = '', output = ''] = line.split('\t');
          return { name, passed: status === '0', output: Buffer.from(output, 'base64').toString('utf8') };
        }),
      finished: existsSync(join(shareDir, 'finished')),
      log,
    };
  } finally {
    await rm(shareDir, { recursive: true, force: true });
  }
}

function boot(initPath: string, memoryMb: number, timeoutMs: number): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn(
      'linux.uml',
      [
        `mem=${memoryMb}M`,
        'root=/dev/root',
        'rootfstype=hostfs',
        'rootflags=/',
        'ro',
        `init=${initPath}`,
        'con=null',
        'con0=null,fd:1',
        'quiet',
      ],
      { stdio: ['ignore', 'pipe', 'pipe'], detached: true },
    );
    let log = '';
    const collect = (data: Buffer) => {
      log = (log + data.toString('utf8')).slice(-200_000);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => {
      log += `\nthe guest was ended after ${timeoutMs} ms`;
      killTree(child.pid);
    }, timeoutMs);
    child.on('close', () => {
      clearTimeout(timer);
      resolve(log);
    });
  });
}

/** User-Mode Linux runs its guest's processes as threads of its own session; all of them must go. */
function killTree(pid: number | undefined): void {
  if (pid === undefined) return;
  spawnSync('pkill', ['-9', '-s', String(pid)]);
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
