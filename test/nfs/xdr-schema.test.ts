// The schema in both directions: what is written reads back the same and uses exactly its bytes, and nothing that comes from
// the wire makes a decoder throw anything but XdrError or take memory it was not sent.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { mount3Procedures } from '../../src/nfs/mount3-schema.ts';
import { nfs3Procedures } from '../../src/nfs/nfs3-schema.ts';
import { XdrError, XdrReader, XdrWriter } from '../../src/nfs/xdr-cursor.ts';
import type { Codec } from '../../src/nfs/xdr-schema.ts';
import { decodeXdr, encodeXdr } from '../support/rpc-client.ts';

type AnyCodec = Codec<unknown>;

const word = fc.oneof(fc.constantFrom(0, 1, 0x7fff_ffff, 0xffff_ffff), fc.nat(0xffff_ffff));
const long = fc.oneof(fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER), fc.maxSafeNat());
const opaque = (maxLength: number) => fc.uint8Array({ maxLength });
const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null });
const time = fc.record({ seconds: word, nseconds: word });
const handle = opaque(64);
const name = opaque(40);
const attributes = fc.record({
  type: fc.constantFrom(1, 2, 3, 4, 5, 6, 7),
  mode: word,
  nlink: word,
  uid: word,
  gid: word,
  size: long,
  used: long,
  rdev: fc.record({ specdata1: word, specdata2: word }),
  fsid: fixed(8),
  fileid: long,
  atime: time,
  mtime: time,
  ctime: time,
});
const post = maybe(attributes);
const wcc = fc.record({ before: maybe(fc.record({ size: long, mtime: time, ctime: time })), after: post });
const setTime = fc.oneof(
  fc.constantFrom({ set_it: 0 }, { set_it: 1 }),
  time.map((value) => ({ set_it: 2, time: value })),
);
const sattr = fc.record({
  mode: maybe(word),
  uid: maybe(word),
  gid: maybe(word),
  size: maybe(long),
  atime: setTime,
  mtime: setTime,
});
const where = fc.record({ dir: handle, name });
const result = (resok: fc.Arbitrary<unknown>, resfail: fc.Arbitrary<unknown>) =>
  fc.oneof(
    resok.map((value) => ({ ok: true, resok: value })),
    fc
      .tuple(fc.integer({ min: 1, max: 10_008 }), resfail)
      .map(([status, value]) => ({ ok: false, status, resfail: value })),
  );
const onlyAttributes = fc.record({ obj_attributes: post });
const dirWcc = fc.record({ dir_wcc: wcc });
const made = result(fc.record({ obj: maybe(handle), obj_attributes: post, dir_wcc: wcc }), dirWcc);
const twoWccs = fc.record({ fromdir_wcc: wcc, todir_wcc: wcc });
const linked = fc.record({ file_attributes: post, linkdir_wcc: wcc });
const dirAttributes = fc.record({ dir_attributes: post });
const listing = (entry: fc.Arbitrary<unknown>) =>
  result(
    fc.record({
      dir_attributes: post,
      cookieverf: fixed(8),
      entries: fc.array(entry, { maxLength: 6 }),
      eof: fc.boolean(),
    }),
    dirAttributes,
  );
const words = (...names: string[]) => Object.fromEntries(names.map((field) => [field, word]));
const longs = (...names: string[]) => Object.fromEntries(names.map((field) => [field, long]));
const flags = (...names: string[]) => Object.fromEntries(names.map((field) => [field, fc.boolean()]));
const nothing = fc.constant({});

const vocabulary: Readonly<
  Record<keyof typeof nfs3Procedures, readonly [fc.Arbitrary<unknown>, fc.Arbitrary<unknown>]>
> = {
  NULL: [nothing, nothing],
  GETATTR: [fc.record({ object: handle }), result(fc.record({ obj_attributes: attributes }), nothing)],
  SETATTR: [
    fc.record({ object: handle, new_attributes: sattr, guard: maybe(time) }),
    result(fc.record({ obj_wcc: wcc }), fc.record({ obj_wcc: wcc })),
  ],
  LOOKUP: [
    fc.record({ what: where }),
    result(fc.record({ object: handle, obj_attributes: post, dir_attributes: post }), dirAttributes),
  ],
  ACCESS: [
    fc.record({ object: handle, access: word }),
    result(fc.record({ obj_attributes: post, access: word }), onlyAttributes),
  ],
  READLINK: [
    fc.record({ symlink: handle }),
    result(fc.record({ symlink_attributes: post, data: name }), fc.record({ symlink_attributes: post })),
  ],
  READ: [
    fc.record({ file: handle, offset: long, count: word }),
    result(
      fc.record({ file_attributes: post, count: word, eof: fc.boolean(), data: opaque(300) }),
      fc.record({ file_attributes: post }),
    ),
  ],
  WRITE: [
    fc.record({ file: handle, offset: long, count: word, stable: fc.nat(2), data: opaque(300) }),
    result(
      fc.record({ file_wcc: wcc, count: word, committed: fc.nat(2), verf: fixed(8) }),
      fc.record({ file_wcc: wcc }),
    ),
  ],
  CREATE: [
    fc.record({
      where,
      how: fc.oneof(
        fc.record({ mode: fc.nat(1), obj_attributes: sattr }),
        fixed(8).map((verf) => ({ mode: 2, verf })),
      ),
    }),
    made,
  ],
  MKDIR: [fc.record({ where, attributes: sattr }), made],
  SYMLINK: [
    fc.record({ where, symlink: fc.record({ symlink_attributes: sattr, symlink_data: name }) }),
    made,
  ],
  MKNOD: [
    fc.record({
      where,
      what: fc.oneof(
        fc.constantFrom({ type: 1 }, { type: 2 }, { type: 5 }),
        sattr.map((pipe_attributes) => ({ type: 7, pipe_attributes })),
        sattr.map((dev_attributes) => ({ type: 3, dev_attributes, spec: { specdata1: 1, specdata2: 2 } })),
      ),
    }),
    made,
  ],
  REMOVE: [fc.record({ object: where }), result(dirWcc, dirWcc)],
  RMDIR: [fc.record({ object: where }), result(dirWcc, dirWcc)],
  RENAME: [fc.record({ from: where, to: where }), result(twoWccs, twoWccs)],
  LINK: [fc.record({ file: handle, link: where }), result(linked, linked)],
  READDIR: [
    fc.record({ dir: handle, cookie: long, cookieverf: fixed(8), count: word }),
    listing(fc.record({ fileid: long, name, cookie: long })),
  ],
  READDIRPLUS: [
    fc.record({ dir: handle, cookie: long, cookieverf: fixed(8), dircount: word, maxcount: word }),
    listing(
      fc.record({ fileid: long, name, cookie: long, name_attributes: post, name_handle: maybe(handle) }),
    ),
  ],
  FSSTAT: [
    fc.record({ fsroot: handle }),
    result(
      fc.record({
        obj_attributes: post,
        ...longs('tbytes', 'fbytes', 'abytes', 'tfiles', 'ffiles', 'afiles'),
        invarsec: word,
      }),
      onlyAttributes,
    ),
  ],
  FSINFO: [
    fc.record({ fsroot: handle }),
    result(
      fc.record({
        obj_attributes: post,
        ...words('rtmax', 'rtpref', 'rtmult', 'wtmax', 'wtpref', 'wtmult', 'dtpref'),
        maxfilesize: long,
        time_delta: time,
        properties: word,
      }),
      onlyAttributes,
    ),
  ],
  PATHCONF: [
    fc.record({ object: handle }),
    result(
      fc.record({
        obj_attributes: post,
        ...words('linkmax', 'name_max'),
        ...flags('no_trunc', 'chown_restricted', 'case_insensitive', 'case_preserving'),
      }),
      onlyAttributes,
    ),
  ],
  COMMIT: [
    fc.record({ file: handle, offset: long, count: word }),
    result(fc.record({ file_wcc: wcc, verf: fixed(8) }), fc.record({ file_wcc: wcc })),
  ],
};

/** Buffers and Uint8Arrays of the same bytes are the same. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, plain(part)]));
}

const messages = Object.entries(vocabulary).flatMap(([procedure, [args, res]]) => {
  const codecs = nfs3Procedures[procedure as keyof typeof nfs3Procedures];
  return [
    { message: `${procedure} arguments`, codec: codecs.args as AnyCodec, arbitrary: args },
    { message: `${procedure} results`, codec: codecs.res as AnyCodec, arbitrary: res },
  ];
});

for (const { message, codec, arbitrary } of messages) {
  test(`${message} read back as written, in whole words`, () => {
    fc.assert(
      fc.property(arbitrary, (value) => {
        const bytes = encodeXdr(codec, value);
        assert.equal(bytes.length % 4, 0);
        assert.deepEqual(plain(decodeXdr(codec, bytes)), plain(value));
      }),
      { numRuns: 60 },
    );
  });
}

test('every message cut at any byte is an XdrError', () => {
  for (const { message, codec, arbitrary } of messages) {
    for (const value of fc.sample(arbitrary, { numRuns: 4, seed: 7 })) {
      const bytes = encodeXdr(codec, value);
      for (let length = 0; length < bytes.length; length += 1) {
        assert.throws(
          () => decodeXdr(codec, bytes.subarray(0, length)),
          XdrError,
          `${message} cut at ${length}`,
        );
      }
      assert.throws(
        () => decodeXdr(codec, Buffer.concat([bytes, Buffer.alloc(4)])),
        XdrError,
        `${message} too long`,
      );
    }
  }
});

test('random and corrupted bytes make no decoder throw anything but XdrError', () => {
  const codecs = [
    ...messages.map(({ codec }) => codec),
    ...Object.values(mount3Procedures).flatMap(({ args, res }) => [args as AnyCodec, res as AnyCodec]),
  ];
  const survive = (codec: AnyCodec, bytes: Uint8Array): void => {
    try {
      decodeXdr(codec, Buffer.from(bytes));
    } catch (error) {
      assert.ok(error instanceof XdrError, String(error));
    }
  };
  fc.assert(
    fc.property(fc.nat(codecs.length - 1), fc.uint8Array({ maxLength: 400 }), (index, bytes) => {
      const codec = codecs[index];
      if (codec !== undefined) survive(codec, bytes);
    }),
    { numRuns: 3000 },
  );
  for (const { codec, arbitrary } of messages) {
    for (const value of fc.sample(arbitrary, { numRuns: 5, seed: 11 })) {
      const bytes = encodeXdr(codec, value);
      for (let at = 0; at < bytes.length; at += 1) {
        const corrupted = Buffer.from(bytes);
        corrupted[at] = (corrupted[at] ?? 0) ^ 0xff;
        survive(codec, corrupted);
      }
    }
  }
});

test('a length is refused before anything of it is taken', () => {
  const bytes = Buffer.from('ffffffff00000000', 'hex');
  assert.throws(() => new XdrReader(bytes).opaque(64), /over the maximum of 64/);
  assert.throws(() => new XdrReader(bytes).opaque(0xffff_ffff), /Truncated/);
});

test('64-bit numbers are exact up to 2^53-1 and never mistaken for safe ones above', () => {
  const writer = new XdrWriter(Buffer.alloc(8));
  for (const value of [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER]) {
    writer.position = 0;
    writer.uint64(value);
    assert.equal(new XdrReader(writer.bytes).uint64(), value);
    assert.equal(writer.bytes.readBigUInt64BE(), BigInt(value));
  }
  for (const text of ['0020000000000000', '0020000000000001', 'ffffffffffffffff']) {
    assert.ok(new XdrReader(Buffer.from(text, 'hex')).uint64() > Number.MAX_SAFE_INTEGER, text);
  }
});

test('strings are written as UTF-8 with zero padding over whatever was there', () => {
  for (const text of ['', 'a', 'abcd', 'grün', '日本', '🙂', 'asciiü']) {
    const writer = new XdrWriter(Buffer.alloc(64, 0xee));
    writer.string(text);
    const length = Buffer.byteLength(text);
    assert.equal(writer.bytes.readUInt32BE(0), length);
    assert.equal(writer.bytes.toString('utf8', 4, 4 + length), text);
    assert.ok(writer.bytes.subarray(4 + length, writer.position).every((byte) => byte === 0));
    assert.equal(writer.position % 4, 0);
  }
});
