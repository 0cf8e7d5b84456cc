// The ceiling: a server that only answers, with no file system behind it. READ sends one hot buffer, WRITE drops what it gets, the rest
// are fixed replies. What it reaches is what loopback, Node's sockets and the load generator allow.

import net from 'node:net';
import { receiveInto } from '../../src/nfs/receive-socket.ts';
import { LAST_FRAGMENT } from '../../src/nfs/rpc-message.ts';
import { paddedLength, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import { RecordReader } from '../load/record-reader.ts';

const handle = Buffer.alloc(32, 0x5a);
const hot = Buffer.alloc(1024 * 1024, 0xa5);
const slabBytes = 256 * 1024;
/** READ data up to this is copied into the reply, so that many replies go out in one write. */
const copiedBytes = 16 * 1024;
const longestReplyBytes = 1024;

const mountProgram = 100005;

/** Every file is `fileBytes` long. Returns the port, for NFS and MOUNT. */
export async function listen({ fileBytes }: { readonly fileBytes: number }): Promise<number> {
  const server = net.createServer(
    { pauseOnConnect: true },
    (socket) => new CeilingConnection(socket, fileBytes),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

class CeilingConnection {
  readonly wantedBytes = 512;
  readonly #socket: net.Socket;
  readonly #reader = new RecordReader(slabBytes);
  readonly #free: Buffer[] = [];
  readonly #fileBytes: number;
  #slab: Buffer;
  #out: XdrWriter;

  constructor(accepted: net.Socket, fileBytes: number) {
    this.#fileBytes = fileBytes;
    this.#slab = Buffer.allocUnsafeSlow(slabBytes);
    this.#out = new XdrWriter(this.#slab);
    const { socket } = receiveInto(accepted, {
      space: () => this.#reader.space(),
      received: (count) => this.#received(count),
    });
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.resume();
  }

  #received(count: number): void {
    this.#socket.cork();
    this.#reader.received(count, this);
    this.#flush();
    this.#socket.uncork();
  }

  #flush(): void {
    if (this.#out.position === 0) return;
    const filled = this.#slab;
    this.#socket.write(filled.subarray(0, this.#out.position), () => this.#free.push(filled));
    this.#slab = this.#free.pop() ?? Buffer.allocUnsafeSlow(slabBytes);
    this.#out = new XdrWriter(this.#slab);
  }

  /** A call; the name is RecordReader’s. */
  reply({ view }: RecordReader, start: number): void {
    if (this.#out.position + longestReplyBytes + copiedBytes > slabBytes) this.#flush();
    const out = this.#out;
    const replyAt = out.position;
    out.position += 4;
    out.uint32(view.getUint32(start));
    for (const word of [1, 0, 0, 0, 0]) out.uint32(word);
    // Behind xid, CALL, 2, program, version, procedure come credentials and verifier, each with its length.
    const verifierAt = start + 32 + view.getUint32(start + 28);
    const argumentsAt = verifierAt + 8 + view.getUint32(verifierAt + 4);
    // Most arguments begin with a handle.
    const behindHandle = argumentsAt + 4 + paddedLength(view.getUint32(argumentsAt));
    const procedure = view.getUint32(start + 20);
    const payload =
      view.getUint32(start + 12) === mountProgram
        ? this.#mount()
        : this.#answer(procedure, view, behindHandle);
    const copied = payload === null || payload.length > copiedBytes ? 0 : payload.length;
    if (payload !== null && copied > 0) out.opaqueFixed(payload);
    const rest = payload === null || copied > 0 ? 0 : payload.length;
    out.view.setUint32(replyAt, LAST_FRAGMENT + (out.position - replyAt - 4) + rest);
    if (payload === null || rest === 0) return;
    this.#flush();
    this.#socket.write(payload);
  }

  #mount(): null {
    this.#out.uint32(0);
    this.#out.opaque(handle);
    this.#out.uint32(1);
    this.#out.uint32(1);
    return null;
  }

  #answer(procedure: number, view: DataView, behindHandle: number): Uint8Array | null {
    const out = this.#out;
    out.uint32(0);
    switch (procedure) {
      case 1: // GETATTR
        this.#attributes();
        return null;
      case 3: // LOOKUP
        out.opaque(handle);
        this.#postOpAttributes();
        this.#postOpAttributes();
        return null;
      case 4: // ACCESS
        this.#postOpAttributes();
        out.uint32(0x3f);
        return null;
      case 6: {
        // READ
        const offset = view.getUint32(behindHandle) * 2 ** 32 + view.getUint32(behindHandle + 4);
        const count = Math.min(view.getUint32(behindHandle + 8), this.#fileBytes - offset);
        this.#postOpAttributes();
        out.uint32(count);
        out.uint32(0);
        out.uint32(count);
        return hot.subarray(0, count);
      }
      case 7: // WRITE
        this.#wcc();
        out.uint32(view.getUint32(behindHandle + 8));
        out.uint32(2);
        out.uint64(0);
        return null;
      case 8: // CREATE
        out.uint32(1);
        out.opaque(handle);
        this.#postOpAttributes();
        this.#wcc();
        return null;
      case 12: // REMOVE
        this.#wcc();
        return null;
      case 21: // COMMIT
        this.#wcc();
        out.uint64(0);
        return null;
      default:
        throw new Error(`the ceiling has no procedure ${procedure}`);
    }
  }

  #wcc(): void {
    this.#out.uint32(0);
    this.#postOpAttributes();
  }

  #postOpAttributes(): void {
    this.#out.uint32(1);
    this.#attributes();
  }

  #attributes(): void {
    const out = this.#out;
    for (const word of [1, 0o644, 1, 0, 0]) out.uint32(word);
    out.uint64(this.#fileBytes);
    out.uint64(this.#fileBytes);
    for (let word = 0; word < 12; word += 1) out.uint32(0);
  }
}
