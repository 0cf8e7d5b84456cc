// An HTTP or HTTPS server of a test, which counts its connections and ends with the test.

import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export type Handler = (request: http.IncomingMessage, response: http.ServerResponse) => void;

export interface Served {
  /** With the path and query that were asked for. */
  readonly url: string;
  readonly connections: () => number;
}

export function serveHttp(t: TestContext, path: string, handler: Handler): Promise<Served> {
  return listen(t, http.createServer(handler), 'http', path, 'connection');
}

/** `server` speaks TLS. */
export function serveHttps(t: TestContext, path: string, server: http.Server): Promise<Served> {
  return listen(t, server, 'https', path, 'secureConnection');
}

async function listen(
  t: TestContext,
  server: http.Server,
  scheme: string,
  path: string,
  event: string,
): Promise<Served> {
  let connections = 0;
  server.on(event, () => (connections += 1));
  server.listen(0, 'localhost');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${scheme}://localhost:${port}${path}`, connections: () => connections };
}
