// A child process of its own: lists the programs that hold something below a mount point, from the symbolic links of /proc (which are
// text and never touch the mounted path). Usage: node busy-scan.ts MOUNT_POINT; prints a JSON list of {pid, name}.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const mountPoint = process.argv[2];
/** More names than this help nobody. */
const maxPrograms = 20;

/** Processes end while they are looked at, and those of others may not be read: both mean "nothing seen". */
function orNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (error instanceof Error && 'code' in error) return null;
    throw error;
  }
}

function holds(pid: string, root: string): boolean {
  const inside = (target: string | null) =>
    target !== null && (target === root || target.startsWith(`${root}/`));
  for (const link of ['cwd', 'root', 'exe']) {
    if (inside(orNull(() => readlinkSync(`/proc/${pid}/${link}`)))) return true;
  }
  for (const descriptor of orNull(() => readdirSync(`/proc/${pid}/fd`)) ?? []) {
    if (inside(orNull(() => readlinkSync(`/proc/${pid}/fd/${descriptor}`)))) return true;
  }
  const maps = orNull(() => readFileSync(`/proc/${pid}/maps`, 'utf8'));
  return maps !== null && maps.includes(` ${root}/`);
}

if (mountPoint !== undefined) {
  const programs: { pid: number; name: string }[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid || !holds(pid, mountPoint)) continue;
    const name = orNull(() => readFileSync(`/proc/${pid}/comm`, 'utf8'))?.trim() ?? '?';
    programs.push({ pid: Number(pid), name });
    if (programs.length >= maxPrograms) break;
  }
  process.stdout.write(`${JSON.stringify(programs)}\n`);
}
