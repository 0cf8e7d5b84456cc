// Xet access tokens and xorb URL signatures of the embedded Hub: stateless, so that they survive a restart, and bound
// to one secret kept with the data. Real ones are opaque to clients, and so should these be.

import { createHmac, timingSafeEqual } from 'node:crypto';

export type XetScope = 'read' | 'write';

export interface XetGrant {
  readonly scope: XetScope;
  /** `bucket/ns/name` or `model/ns/name`. */
  readonly resource: string;
  /** Unix seconds. */
  readonly exp: number;
  /** Counter of `FaultSwitches.expireTokens`. */
  readonly epoch: number;
}

export class Signer {
  readonly #secret: Buffer;

  /** `secret`: 32 bytes or more. */
  constructor(secret: Buffer) {
    this.#secret = secret;
  }

  /** A short URL-safe signature of `text`. */
  sign(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url').slice(0, 32);
  }

  verify(text: string, signature: string): boolean {
    const expected = Buffer.from(this.sign(text));
    const given = Buffer.from(signature);
    return expected.byteLength === given.byteLength && timingSafeEqual(expected, given);
  }

  issueToken(grant: XetGrant): string {
    const payload = Buffer.from(JSON.stringify(grant)).toString('base64url');
    return `xet_${payload}.${this.sign(`token ${payload}`)}`;
  }

  /** The grant of a token with a right signature, whatever its age; null for anything else. */
  readToken(token: string): XetGrant | null {
    const parts = /^xet_([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/.exec(token);
    if (parts === null) return null;
    const [, payload = '', signature = ''] = parts;
    if (!this.verify(`token ${payload}`, signature)) return null;
    // Signed by this secret, so its shape is what `issueToken` wrote.
    return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as XetGrant;
  }
}
