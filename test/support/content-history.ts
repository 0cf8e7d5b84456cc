// What a file held since its last acknowledged commit, to judge what a crash left of it: each byte must be what it was at that
// commit or at some moment since. Used by the model and crash tests of content.

import assert from 'node:assert/strict';

export class ContentHistory {
  bytes: Buffer;
  /** Contents since the last acknowledged commit, that one first. */
  history: readonly Buffer[];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.history = [bytes];
  }

  change(bytes: Buffer): void {
    this.bytes = bytes;
    this.history = [...this.history, bytes];
  }

  write(offset: number, data: Buffer): void {
    const bytes = resized(this.bytes, Math.max(this.bytes.length, offset + data.length));
    data.copy(bytes, offset);
    this.change(bytes);
  }

  /** `bytes` was the content when a commit that succeeded was asked for. */
  acknowledge(bytes: Buffer): void {
    const index = this.history.lastIndexOf(bytes);
    if (index > 0) this.history = this.history.slice(index);
  }

  acceptAfterCrash(found: Buffer): void {
    for (let position = 0; position < found.length; position++) {
      const isAllowed = this.history.some((bytes) => (bytes[position] ?? 0) === found[position]);
      if (!isAllowed) {
        assert.fail(`byte ${position} is ${found[position]}, which it never was since the last commit`);
      }
    }
    this.bytes = found;
    this.history = [found];
  }
}

/** Cut, or grown with zeros. */
export function resized(bytes: Buffer, size: number): Buffer {
  const result = Buffer.alloc(size);
  bytes.copy(result, 0, 0, Math.min(size, bytes.length));
  return result;
}
