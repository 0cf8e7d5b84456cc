// `Range` request headers (RFC 9110, section 14): parsing, clamping to a size, and `multipart/byteranges` framing.

import { randomBytes } from 'node:crypto';
import { Refusal } from './refusal.ts';

/** Half-open. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const maxRanges = 1024;

/**
 * The ranges asked for, clamped to `sizeBytes`, in the order of the header; null without a usable `Range` header. Ends
 * beyond any number (`18446744073709551614`) are fine. Throws 416 when nothing lies inside.
 */
export function parseRanges(header: string | null, sizeBytes: number): Span[] | null {
  const match = /^bytes=(.+)$/.exec(header?.trim() ?? '');
  if (match === null) return null;
  const spans: Span[] = [];
  const parts = (match[1] ?? '').split(',');
  if (parts.length > maxRanges) throw new Refusal(400, `More than ${maxRanges} ranges in one request`);
  for (const part of parts) {
    const bounds = /^(\d*)-(\d*)$/.exec(part.trim());
    if (bounds === null || (bounds[1] === '' && bounds[2] === '')) return null;
    const [, first = '', last = ''] = bounds;
    const start = first === '' ? Math.max(0, sizeBytes - Number(last)) : Number(first);
    const end = first === '' || last === '' ? sizeBytes : Math.min(sizeBytes, Number(last) + 1);
    if (start < end) spans.push({ start, end });
  }
  if (spans.length === 0) throw unsatisfiable(sizeBytes);
  return spans;
}

export function unsatisfiable(sizeBytes: number): Refusal {
  return new Refusal(416, `The range lies outside of the ${sizeBytes} bytes`, {
    headers: { 'Content-Range': `bytes */${sizeBytes}` },
  });
}

export function contentRange(span: Span, sizeBytes: number): string {
  return `bytes ${span.start}-${span.end - 1}/${sizeBytes}`;
}

export interface MultipartFrame {
  readonly contentType: string;
  readonly lengthBytes: number;
  /** What goes before the body of the span at the same index. */
  readonly heads: readonly Buffer[];
  readonly tail: Buffer;
}

/** The framing of a multi-range answer; parts keep the order of the request. */
export function frameMultipart(spans: readonly Span[], sizeBytes: number): MultipartFrame {
  const boundary = randomBytes(16).toString('hex');
  const heads = spans.map((span, index) =>
    Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: application/octet-stream\r\n` +
        `Content-Range: ${contentRange(span, sizeBytes)}\r\n\r\n`,
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  const framing = heads.reduce((sum, head) => sum + head.byteLength, tail.byteLength);
  const data = spans.reduce((sum, span) => sum + span.end - span.start, 0);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    lengthBytes: framing + data,
    heads,
    tail,
  };
}
