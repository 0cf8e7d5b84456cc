// A proxy before the embedded Hub that changes its answers as told: statuses, headers, and bodies as bytes or as JSON. Used by the
// fuzz test of the Hub client.

import http from 'node:http';
import type { AddressInfo } from 'node:net';

export type Change =
  | { readonly kind: 'none' }
  | { readonly kind: 'status'; readonly status: number }
  | { readonly kind: 'replace' | 'insert'; readonly place: number; readonly value: unknown }
  | { readonly kind: 'remove'; readonly place: number }
  | { readonly kind: 'bytes'; readonly place: number; readonly bytes: Uint8Array }
  | { readonly kind: 'cut'; readonly part: number }
  | { readonly kind: 'repeat'; readonly times: number }
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  | { readonly kind: 'stall' };

/** Passes requests on and changes the answers as told, one change after the other, round and round. */
export class MadProxy {
  readonly #target: number;
  readonly #server: http.Server;
  changes: readonly Change[] = [];
  #next = 0;

  constructor(target: number) {
    this.#target = target;
    this.#server = http.createServer((request, response) => this.#pass(request, response));
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #pass(request: http.IncomingMessage, response: http.ServerResponse): void {
    const change = this.changes[this.#next++ % Math.max(1, this.changes.length)] ?? { kind: 'none' };
    const passed = http.request(
      { port: this.#target, method: request.method, path: request.url, headers: request.headers },
      (answer) => {
        const parts: Buffer[] = [];
        const isStream = /event-stream/.test(answer.headers['content-type'] ?? '');
        answer.on('data', (part: Buffer) => {
          parts.push(part);
          // Streams do not end by themselves.
          if (isStream) answer.destroy();
        });
        answer.on('error', () => undefined);
        answer.on('close', () => reply(response, answer, Buffer.concat(parts), change));
      },
    );
    passed.on('error', () => response.destroy());
    request.pipe(passed);
  }
}

function reply(
  response: http.ServerResponse,
  answer: http.IncomingMessage,
  body: Buffer,
  change: Change,
): void {
  const { 'content-length': _length, 'transfer-encoding': _encoding, ...headers } = answer.headers;
  const status = change.kind === 'status' ? change.status : (answer.statusCode ?? 500);
  const changed = changeBody(body, change);
  try {
    if (change.kind === 'header') headers[change.name] = change.value;
    response.on('error', () => undefined);
    response.writeHead(status, headers);
    if (change.kind === 'stall') response.write(changed.subarray(0, changed.length / 2));
    else if (change.kind === 'cut') response.write(changed, () => response.destroy());
    else response.end(changed);
  } catch {
    response.destroy(); // Node refuses some headers; a cut is as good
  }
}

function changeBody(body: Buffer, change: Change): Buffer {
  switch (change.kind) {
    case 'bytes': {
      const at = change.place % (body.length + 1);
      return Buffer.concat([body.subarray(0, at), change.bytes, body.subarray(at + change.bytes.length)]);
    }
    case 'cut':
      return body.subarray(0, Math.floor(body.length * change.part));
    case 'repeat':
      return Buffer.concat(
        Array.from({ length: Math.min(change.times, 2_000_000 / (body.length + 1)) }, () => body),
      );
    case 'replace':
    case 'insert':
    case 'remove':
      return changeJson(body, change);
    default:
      return body;
  }
}

function changeJson(body: Buffer, change: Change & { readonly place: number }): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    return body;
  }
  const holder: { value: unknown } = { value };
  const places: { readonly container: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (container: Record<string, unknown>, key: string): void => {
    places.push({ container, key });
    const child = container[key];
    if (typeof child === 'object' && child !== null) {
      for (const name of Object.keys(child)) walk(child as Record<string, unknown>, name);
    }
  };
  walk(holder, 'value');
  const place = places[change.place % places.length];
  if (place === undefined) return body;
  if (change.kind === 'remove') Reflect.deleteProperty(place.container, place.key);
  else if (change.kind === 'replace') place.container[place.key] = Reflect.get(change, 'value');
  else place.container[`${place.key}x`] = Reflect.get(change, 'value');
  return Buffer.from(JSON.stringify(holder.value) ?? '');
}
