// Where Hubdrive keeps its files on each system, as pure functions of environment and home folder, so that the host and the
// command line find one another without importing each other. Creates nothing.

export interface Surrounding {
  readonly platform: string;
  readonly homeDir: string;
  /** `HUBDRIVE_HOME`, `XDG_DATA_HOME`, `XDG_CACHE_HOME` are read. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Short, private to the user, for sockets whose path would be too long (`$XDG_RUNTIME_DIR` or the temp folder). */
  readonly temporaryDir: string;
  readonly uid: number;
}

export interface Places {
  /** 0700; holds settings, mounts, catalogues, staged data. */
  readonly dataDir: string;
  /** Clean bytes; may be deleted at any time while no host runs. */
  readonly cacheDir: string;
  readonly logDir: string;
  readonly controlSocketPath: string;
  /** Folder that must be 0700 before the socket is made in it. */
  readonly controlSocketDir: string;
}

/** `sun_path` holds 104 bytes on macOS and 108 on Linux, with a closing zero. */
const maxSocketPathBytes = 100;

export function findPlaces(surrounding: Surrounding): Places {
  const { env, homeDir, platform } = surrounding;
  const own = env['HUBDRIVE_HOME'];
  if (own !== undefined && own !== '') return withSocket(own, `${own}/cache`, `${own}/logs`, surrounding);
  if (platform === 'darwin') {
    const library = `${homeDir}/Library`;
    const dataDir = `${library}/Application Support/Hubdrive`;
    return withSocket(dataDir, `${library}/Caches/Hubdrive`, `${library}/Logs/Hubdrive`, surrounding);
  }
  const dataDir = `${absoluteOr(env['XDG_DATA_HOME'], `${homeDir}/.local/share`)}/hubdrive`;
  const cacheDir = `${absoluteOr(env['XDG_CACHE_HOME'], `${homeDir}/.cache`)}/hubdrive`;
  return withSocket(dataDir, cacheDir, `${dataDir}/logs`, surrounding);
}

/** The XDG specification: values that are not absolute are ignored. */
function absoluteOr(value: string | undefined, fallback: string): string {
  return value?.startsWith('/') === true ? value : fallback;
}

function withSocket(dataDir: string, cacheDir: string, logDir: string, surrounding: Surrounding): Places {
  const inDataDir = `${dataDir}/control.sock`;
  if (new TextEncoder().encode(inDataDir).length <= maxSocketPathBytes) {
    return { dataDir, cacheDir, logDir, controlSocketPath: inDataDir, controlSocketDir: dataDir };
  }
  const controlSocketDir = `${surrounding.temporaryDir}/hubdrive-${surrounding.uid}`;
  const controlSocketPath = `${controlSocketDir}/${fingerprint(dataDir)}.sock`;
  return { dataDir, cacheDir, logDir, controlSocketPath, controlSocketDir };
}

/** FNV-1a 64 over UTF-8, as 16 hex digits: names, not secrets. */
export function fingerprint(value: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(value))
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(16).padStart(16, '0');
}
