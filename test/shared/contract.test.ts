import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ArgumentError } from '../../src/shared/arguments.ts';
import {
  contract,
  isPushName,
  isRequestName,
  parseMountArgument,
  parseUnmountArgument,
} from '../../src/shared/contract.ts';
import { LineSplitter, parseHostFrame, parseRequestFrame } from '../../src/shared/frames.ts';
import { findPlaces, fingerprint } from '../../src/shared/places.ts';

test('a mount argument gets its defaults', () => {
  assert.deepEqual(parseMountArgument({ source: 'bucket/a/b' }, 'mount'), {
    source: 'bucket/a/b',
    mountPoint: null,
    readOnly: false,
    revision: null,
    serverOnly: false,
  });
  assert.equal(parseUnmountArgument({ target: 'x' }, 'unmount').discard, false);
});

const wrong: readonly [value: unknown, message: RegExp][] = [
  [null, /mount must be an object/],
  [[], /mount must be an object/],
  [{}, /mount\.source must be a string/],
  [{ source: '' }, /must not be empty/],
  [{ source: 'a\nb' }, /control character/],
  [{ source: 'x'.repeat(2000) }, /longer than/],
  [{ source: 'a', readOnly: 'yes' }, /mount\.readOnly must be true or false/],
  [{ source: 'a', readonly: true }, /unknown field "readonly"/],
];
for (const [value, message] of wrong) {
  test(`${JSON.stringify(value).slice(0, 40)} is refused as a mount argument`, () => {
    assert.throws(() => parseMountArgument(value, 'mount'), message);
  });
}

test('no argument of any shape makes a parser do anything but return or refuse', () => {
  const channels = Object.values(contract).filter((channel) => channel.kind === 'request');
  fc.assert(
    fc.property(fc.anything(), (value) => {
      for (const channel of channels) {
        try {
          channel.parse(value, 'x');
        } catch (error) {
          assert.ok(error instanceof ArgumentError, String(error));
        }
      }
    }),
  );
});

test('names are requests or pushes, and names of the language are neither', () => {
  assert.ok(isRequestName('mounts:mount') && !isPushName('mounts:mount'));
  assert.ok(isPushName('state:changed') && !isRequestName('state:changed'));
  for (const name of ['', 'toString', '__proto__', 'constructor'])
    assert.ok(!isRequestName(name) && !isPushName(name));
});

test('frames survive their way over a stream cut at any place', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'binary' }), { maxLength: 8 }),
      fc.integer({ min: 1, max: 7 }),
      (values, size) => {
        const bytes = new TextEncoder().encode(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
        const lines = new LineSplitter(100_000);
        const got: unknown[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          for (const line of lines.push(bytes.subarray(at, at + size))) got.push(JSON.parse(line));
        }
        assert.deepEqual(got, values);
      },
    ),
  );
});

test('a line that never ends is cut off', () => {
  const lines = new LineSplitter(100);
  assert.throws(() => {
    for (let at = 0; at < 10; at += 1) lines.push(new TextEncoder().encode('x'.repeat(50)));
  }, ArgumentError);
});

test('frames are checked on both sides', () => {
  assert.deepEqual(parseRequestFrame({ id: 1, channel: 'a', argument: 2, more: 3 }), {
    id: 1,
    channel: 'a',
    argument: 2,
  });
  for (const value of [
    null,
    5,
    {},
    { id: 'x', channel: 'a' },
    { id: 1.5, channel: 'a' },
    { id: 1, channel: 'x'.repeat(200) },
  ]) {
    assert.throws(() => parseRequestFrame(value), ArgumentError);
  }
  assert.deepEqual(parseHostFrame({ id: 1, ok: true, value: 3 }), { id: 1, ok: true, value: 3 });
  assert.deepEqual(parseHostFrame({ push: 'state:changed', payload: 1 }), {
    push: 'state:changed',
    payload: 1,
  });
  const failure = parseHostFrame({ id: 1, ok: false, error: { code: 'made-up', message: 'm' } });
  assert.ok('ok' in failure && !failure.ok && failure.error.code === 'internal');
  const problem = { code: 'busy', message: 'm', retryable: true, programs: [{ pid: 3, name: 'vim' }] };
  const busy = parseHostFrame({ id: 1, ok: false, error: { code: 'busy', message: 'm', problem } });
  assert.ok('ok' in busy && !busy.ok);
  assert.deepEqual(busy.error.problem, problem);
  assert.throws(() => parseHostFrame({ hello: { contract: '1' } }), ArgumentError);
});

const person = { homeDir: '/home/u', env: {}, temporaryDir: '/run/user/1', uid: 1, platform: 'linux' };

test('files live where each system expects them', () => {
  assert.equal(findPlaces(person).dataDir, '/home/u/.local/share/hubdrive');
  assert.equal(
    findPlaces({ ...person, env: { XDG_DATA_HOME: '/d', XDG_CACHE_HOME: 'relative' } }).dataDir,
    '/d/hubdrive',
  );
  assert.equal(
    findPlaces({ ...person, env: { XDG_CACHE_HOME: 'relative' } }).cacheDir,
    '/home/u/.cache/hubdrive',
  );
  const mac = findPlaces({ ...person, platform: 'darwin', homeDir: '/Users/u' });
  assert.equal(mac.dataDir, '/Users/u/Library/Application Support/Hubdrive');
  assert.equal(mac.logDir, '/Users/u/Library/Logs/Hubdrive');
});

test('HUBDRIVE_HOME holds everything', () => {
  assert.deepEqual(findPlaces({ ...person, env: { HUBDRIVE_HOME: '/x' } }), {
    dataDir: '/x',
    cacheDir: '/x/cache',
    logDir: '/x/logs',
    controlSocketPath: '/x/control.sock',
    controlSocketDir: '/x',
  });
});

test('a path too long for a socket gets a short one, the same every time', () => {
  const long = `/${'d'.repeat(120)}`;
  const places = findPlaces({ ...person, env: { HUBDRIVE_HOME: long } });
  assert.ok(places.controlSocketPath.length <= 100);
  assert.match(places.controlSocketPath, /^\/run\/user\/1\/hubdrive-1\/[0-9a-f]{16}\.sock$/);
  assert.equal(
    findPlaces({ ...person, env: { HUBDRIVE_HOME: long } }).controlSocketPath,
    places.controlSocketPath,
  );
});

test('fingerprints are FNV-1a 64', () => {
  // Test vectors of the FNV page (isthe.com/chongo/tech/comp/fnv): "", "a", "foobar".
  assert.equal(fingerprint(''), 'cbf29ce484222325');
  assert.equal(fingerprint('a'), 'af63dc4c8601ec8c');
  assert.equal(fingerprint('foobar'), '85944171f73967e8');
});
