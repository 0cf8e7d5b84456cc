// Tells on Linux whether the peer of a loopback connection is the kernel's NFS client: its port is below 1024 and its socket
// belongs to uid 0 in the kernel's table. No user process can have both. Elsewhere nothing can be told,
// and the other layers (secret path, MAC) stand alone. IPv4 only: that is where the server listens.

import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { endianness } from 'node:os';

const FIRST_UNPRIVILEGED_PORT = 1024;

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export type PeerVerdict = 'kernel' | 'not the kernel' | 'unknown';

/** `peer` is the client's end, `own` the server's, as the accepted socket names them. */
export async function checkPeer(
  peer: Endpoint,
  own: Endpoint,
  platform: string = process.platform,
): Promise<PeerVerdict> {
  if (platform !== 'linux') return 'unknown';
  if (peer.port >= FIRST_UNPRIVILEGED_PORT) return 'not the kernel';
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    const uid = findSocketUid(await readTable(table), peer, own);
    if (uid !== null) return uid === 0 ? 'kernel' : 'not the kernel';
  }
  return 'not the kernel';
}

async function readTable(path: string): Promise<string> {
  try {
    return await readFile(path, 'latin1');
  } catch (error) {
    // Without IPv6 there is no tcp6.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
    throw error;
  }
}

/** The uid of the socket whose local end is `peer` and whose remote end is `own`, in the text of /proc/net/tcp or tcp6. */
export function findSocketUid(table: string, peer: Endpoint, own: Endpoint): number | null {
  const ends = [peer, own].map((end) => [tableAddress(end, false), tableAddress(end, true)]);
  const [peerForms, ownForms] = ends;
  if (peerForms === undefined || ownForms === undefined) return null;
  for (const line of table.split('\n')) {
    // sl local_address rem_address st queues timer retrnsmt uid …
    const [, local, remote, , , , , uid] = line.trim().split(/\s+/);
    if (local === undefined || remote === undefined || uid === undefined) continue;
    if (peerForms.includes(local) && ownForms.includes(remote)) return Number(uid);
  }
  return null;
}

/** `0100007F:0016`: the address in words of the host's order, the port in hex. IPv6 sockets show IPv4 as mapped. */
function tableAddress(end: Endpoint, isMapped: boolean): string {
  const address = end.address.startsWith('::ffff:') ? end.address.slice('::ffff:'.length) : end.address;
  const port = end.port.toString(16).toUpperCase().padStart(4, '0');
  if (!isIPv4(address)) return '';
  const bytes = address.split('.').map(Number);
  const word = hexWord(bytes);
  const prefix = isMapped
    ? `${hexWord([0, 0, 0, 0])}${hexWord([0, 0, 0, 0])}${hexWord([0, 0, 0xff, 0xff])}`
    : '';
  return `${prefix}${word}:${port}`;
}

function hexWord(bytes: readonly number[]): string {
  const ordered = endianness() === 'LE' ? bytes.toReversed() : bytes;
  return ordered.map((byte) => byte.toString(16).toUpperCase().padStart(2, '0')).join('');
}
