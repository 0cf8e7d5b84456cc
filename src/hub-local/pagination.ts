// Paging of listings: `limit` and `cursor` of the query, and the absolute `Link: <…>; rel="next"` that clients follow
// verbatim.

import type { Exchange } from './exchange.ts';
import { badRequest } from './refusal.ts';

/** Where to start; '' for the beginning. */
export function readCursor(exchange: Exchange): string {
  const cursor = exchange.query.get('cursor');
  return cursor === null ? '' : Buffer.from(cursor, 'base64url').toString('utf8');
}

export function readLimit(exchange: Exchange, fallback: number, maximum: number): number {
  const text = exchange.query.get('limit');
  if (text === null) return Math.min(fallback, maximum);
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1)
    throw badRequest(`limit must be a positive number, not "${text}"`);
  return Math.min(limit, maximum);
}

/** The query flag in any spelling that clients use (`True`, `true`, `1`, …); null when absent. */
export function readFlag(exchange: Exchange, name: string): boolean | null {
  const text = exchange.query.get(name);
  if (text === null) return null;
  return ['true', '1', 'yes', ''].includes(text.toLowerCase());
}

export function nextLink(exchange: Exchange, next: string | null): Record<string, string> {
  if (next === null) return {};
  const query = new URLSearchParams(exchange.query);
  query.set('cursor', Buffer.from(next, 'utf8').toString('base64url'));
  return { Link: `<${exchange.base}${exchange.pathname}?${query.toString()}>; rel="next"` };
}
