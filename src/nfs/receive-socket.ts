// Makes an accepted socket receive straight into our slab. `net.createServer` cannot hand its sockets an `onread` buffer, so
// the handle is wrapped anew; that doubles WRITE throughput. `_handle` is no public API of Node: where it is
// not as expected, the bytes come by 'data' events and are copied.

import net from 'node:net';

export interface ByteSink {
  /** Where the next bytes go; not empty. */
  space(): Uint8Array;
  /** `count` bytes are there. Pauses the socket by itself where it must. */
  received(count: number): void;
}

export interface ReceivingSocket {
  /** To be used in place of the accepted one. */
  readonly socket: net.Socket;
  readonly isDirect: boolean;
}

/** `accepted` comes from a server with `pauseOnConnect`; reading starts when `resume` is called. */
export function receiveInto(accepted: net.Socket, sink: ByteSink, wantsDirect = true): ReceivingSocket {
  const direct = wantsDirect ? wrapDirect(accepted, sink) : null;
  if (direct !== null) return { socket: direct, isDirect: true };
  attachCopying(accepted, sink);
  return { socket: accepted, isDirect: false };
}

function wrapDirect(accepted: net.Socket, sink: ByteSink): net.Socket | null {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null;
  Reflect.set(accepted, '_handle', null);
  const options = {
    handle,
    allowHalfOpen: false,
    manualStart: true,
    onread: {
      buffer: () => sink.space(),
      callback(count: number) {
        sink.received(count);
        return true;
      },
    },
  };
  // `handle` and `manualStart` are not in the public types.
  const socket: unknown = Reflect.construct(net.Socket, [options]);
  if (!(socket instanceof net.Socket)) return null;
  // The server counts the accepted socket: it must be closed for `server.close` to finish.
  socket.once('close', () => accepted.destroy());
  return socket;
}

function attachCopying(socket: net.Socket, sink: ByteSink): void {
  socket.on('data', (chunk) => {
    // Paused in between: the rest comes with the next 'data'.
    let rest: Buffer = chunk;
    while (rest.length > 0) {
      const space = sink.space();
      const count = Math.min(space.length, rest.length);
      rest.copy(space, 0, 0, count);
      rest = rest.subarray(count);
      sink.received(count);
      if (rest.length > 0 && socket.isPaused()) {
        socket.unshift(rest);
        return;
      }
    }
  });
  socket.pause();
}
