// Reads the system's table of mounts without touching any mounted path: /proc/self/mountinfo on Linux, the output of `mount` on macOS.
// Pure parsers; the drivers fetch the text.

export interface MountTableEntry {
  readonly mountPoint: string;
  /** `nfs`, `nfs4`, `apfs`, … */
  readonly type: string;
  /** For NFS: `HOST:/EXPORT`. */
  readonly device: string;
}

/** Linux proc(5): fields up to ` - ` vary in number; spaces and the like are octal escapes. Lines of another shape are left out. */
export function parseMountInfo(text: string): readonly MountTableEntry[] {
  const entries: MountTableEntry[] = [];
  for (const line of text.split('\n')) {
    const separator = line.indexOf(' - ');
    if (separator < 0) continue;
    const mountPoint = line.slice(0, separator).split(' ')[4];
    const [type, device] = line.slice(separator + 3).split(' ');
    if (mountPoint === undefined || type === undefined || device === undefined) continue;
    entries.push({ mountPoint: unescapeOctal(mountPoint), type, device: unescapeOctal(device) });
  }
  return entries;
}

/** The kernel escapes space, tab, newline and backslash byte-wise as `\ooo`; the rest is UTF-8. */
export function unescapeOctal(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const source = Buffer.from(text, 'utf8');
  for (let index = 0; index < source.length; index += 1) {
    const octal =
      source[index] === 0x5c ? /^[0-3][0-7]{2}/.exec(source.toString('latin1', index + 1, index + 4)) : null;
    if (octal === null) {
      bytes.push(source[index] ?? 0);
      continue;
    }
    bytes.push(Number.parseInt(octal[0], 8));
    index += 3;
  }
  return Buffer.from(bytes).toString('utf8');
}

/** macOS mount(8): `DEVICE on PATH (TYPE, option, …)`. A path may hold ` on ` and parentheses, so the last ones count. */
export function parseDarwinMountOutput(text: string): readonly MountTableEntry[] {
  const entries: MountTableEntry[] = [];
  for (const line of text.split('\n')) {
    const match = /^(.+?) on (.+) \(([^(),]+)(?:, [^()]*)?\)$/.exec(line);
    if (match === null) continue;
    const [, device = '', mountPoint = '', type = ''] = match;
    entries.push({ mountPoint, type, device });
  }
  return entries;
}

export function isNfsOf(entry: MountTableEntry, exportPath: string): boolean {
  return entry.type.startsWith('nfs') && entry.device.endsWith(`:${exportPath}`);
}

/**
 * Whether our export is mounted there. A table that changes while it is read can miss a line, so an absence is believed only
 * when seen twice.
 */
export async function isMountedNow(
  readTable: () => Promise<readonly MountTableEntry[]>,
  mountPoint: string,
  exportPath: string,
): Promise<boolean> {
  for (let look = 0; look < 2; look += 1) {
    const table = await readTable();
    if (table.some((entry) => entry.mountPoint === mountPoint && isNfsOf(entry, exportPath))) return true;
  }
  return false;
}

/** The innermost mount that holds `path`, compared as text. */
export function findMountOf(path: string, table: readonly MountTableEntry[]): MountTableEntry | null {
  let best: MountTableEntry | null = null;
  for (const entry of table) {
    if (!isInside(path, entry.mountPoint)) continue;
    // Of two mounts on one path the later covers the earlier.
    if (best === null || entry.mountPoint.length >= best.mountPoint.length) best = entry;
  }
  return best;
}

export function isInside(path: string, directory: string): boolean {
  return directory === '/' || path === directory || path.startsWith(`${directory}/`);
}
