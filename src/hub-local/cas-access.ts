// Access to the CAS: Xet tokens (Bearer, short-lived, read or write) and signed xorb URLs, which need no header and
// serve only the ranges they were made for.

import type { Exchange } from './exchange.ts';
import { contentRange, type Span } from './byte-range.ts';
import type { HubContext } from './hub-context.ts';
import { Refusal } from './refusal.ts';
import type { FetchRange } from './reconstruction.ts';
import type { XetScope } from './signing.ts';

export interface XetToken {
  readonly casUrl: string;
  /** Unix seconds. */
  readonly exp: number;
  readonly accessToken: string;
}

export function issueXetToken(
  hub: HubContext,
  exchange: Exchange,
  scope: XetScope,
  resource: string,
): XetToken {
  const exp = Math.floor(hub.clock.now() / 1000) + hub.faults.settings.tokenLifetimeSeconds;
  const accessToken = hub.signer.issueToken({ scope, resource, exp, epoch: hub.faults.tokenEpoch });
  return { casUrl: exchange.base, exp, accessToken };
}

/** Answers with a token, in the body for most clients and in headers for the Python one. */
export async function sendXetToken(
  hub: HubContext,
  exchange: Exchange,
  scope: XetScope,
  resource: string,
): Promise<void> {
  const token = issueXetToken(hub, exchange, scope, resource);
  await exchange.sendJson(200, token, {
    'X-Xet-Cas-Url': token.casUrl,
    'X-Xet-Access-Token': token.accessToken,
    'X-Xet-Token-Expiration': String(token.exp),
  });
}

/** Throws 401 for a missing, foreign or expired token, 403 for a read token where one must write. */
export function requireXetToken(hub: HubContext, exchange: Exchange, scope: XetScope): void {
  const match = /^Bearer (.+)$/i.exec(exchange.header('authorization') ?? '');
  const grant = match === null ? null : hub.signer.readToken(match[1] ?? '');
  if (grant === null) throw new Refusal(401, 'The Xet access token is missing or not from this server');
  if (grant.exp * 1000 <= hub.clock.now() || grant.epoch < hub.faults.tokenEpoch) {
    throw new Refusal(401, 'The Xet access token has expired; ask for a new one');
  }
  if (scope === 'write' && grant.scope !== 'write') {
    throw new Refusal(403, 'This Xet access token may only read');
  }
}

/** A data URL for exactly these ranges of a xorb. */
export function signXorbUrl(
  hub: HubContext,
  exchange: Exchange,
  hash: string,
  ranges: readonly FetchRange[],
): string {
  const expires = Math.floor(hub.clock.now() / 1000) + hub.faults.settings.urlLifetimeSeconds;
  const signedRange = ranges.map((range) => `${range.byteStart}-${range.byteEnd}`).join(',');
  const query = new URLSearchParams({
    'X-Xet-Signed-Range': `bytes=${signedRange}`,
    Expires: String(expires),
    Epoch: String(hub.faults.urlEpoch),
  });
  query.set('Signature', hub.signer.sign(urlText(hash, query)));
  return `${exchange.base}/xorb-data/${hash}?${query.toString()}`;
}

/** Throws 403 unless the URL is ours, still valid, and (when strict) made for exactly these spans. */
export function requireSignedUrl(
  hub: HubContext,
  exchange: Exchange,
  hash: string,
  spans: readonly Span[] | null,
): void {
  const query = exchange.query;
  if (!hub.signer.verify(urlText(hash, query), query.get('Signature') ?? '')) {
    throw new Refusal(403, 'The signature of this URL is wrong');
  }
  const expired = Number(query.get('Expires')) * 1000 <= hub.clock.now();
  if (expired || Number(query.get('Epoch')) < hub.faults.urlEpoch)
    throw new Refusal(403, 'This URL has expired');
  if (!hub.faults.settings.strictRanges) return;
  const signed = (query.get('X-Xet-Signed-Range') ?? '').slice('bytes='.length).split(',');
  for (const span of spans ?? []) {
    if (!signed.includes(`${span.start}-${span.end - 1}`)) {
      throw new Refusal(403, `This URL is not signed for ${contentRange(span, 0).slice(0, -2)}`);
    }
  }
  if (spans === null) throw new Refusal(403, 'This URL is signed for a range; send a Range header');
}

function urlText(hash: string, query: URLSearchParams): string {
  return ['url', hash, query.get('X-Xet-Signed-Range'), query.get('Expires'), query.get('Epoch')].join(' ');
}
