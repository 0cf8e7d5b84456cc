import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatShort, openHostLog } from '../../src/main/files/log.ts';
import { HostError, problemOf } from '../../src/main/problem.ts';
import { redactText } from '../../src/main/files/redact.ts';
import { openRollingFile } from '../../src/main/files/rolling-file.ts';
import { settle } from '../support/manual-clock.ts';

const secrets: readonly [name: string, text: string, secret: string][] = [
  ['a Hub token', 'the token hf_AbCdEf0123456789 was refused', 'hf_AbCdEf0123456789'],
  ['an OAuth token', 'got hf_oauth_eyJhbGciOi-x_y.', 'eyJhbGciOi'],
  ['an Authorization header', 'authorization: Bearer eyJ0eXAi.abc-_/+=', 'eyJ0eXAi'],
  [
    'a signed URL of S3',
    'GET https://x/y?X-Amz-Signature=deadbeef&X-Amz-Credential=AKIA123 failed',
    'deadbeef',
  ],
  [
    'its second parameter too',
    'GET https://x/y?X-Amz-Signature=deadbeef&X-Amz-Credential=AKIA123 failed',
    'AKIA123',
  ],
  ['a signed URL of CloudFront', 'https://cdn/x?Policy=abc&Key-Pair-Id=K1&Signature=s3cr3t', 's3cr3t'],
  ['a token in JSON', '{"accessToken":"xyz-123"}', 'xyz-123'],
  ['the panel’s one-time address', 'http://127.0.0.1:1/?token=abcdef', 'abcdef'],
];
for (const [name, text, secret] of secrets) {
  test(`${name} is removed`, () => {
    assert.ok(!redactText(text).includes(secret), redactText(text));
  });
}

test('ordinary text is left as it is', () => {
  for (const text of [
    'bucket/demo/data at /home/u',
    'https://h/api/models?limit=1&cursor=abc',
    'hf_ is a prefix',
  ]) {
    assert.equal(redactText(text), text);
  }
});

test('a token is removed wherever it stands', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.string(),
      fc.stringMatching(/^[A-Za-z0-9]{20,40}$/),
      (before, after, body) => {
        assert.ok(!redactText(`${before} hf_${body} ${after}`).includes(`hf_${body}`));
      },
    ),
  );
});

test('lines are JSON in a private file, short on a terminal, and redacted in both, causes included', async () => {
  const logDir = await mkdtemp(join(tmpdir(), 'hubdrive-log-'));
  let shown = '';
  const terminal = new Writable({
    write(chunk: Buffer, _encoding, done) {
      shown += chunk.toString('utf8');
      done();
    },
  });
  try {
    const log = await openHostLog({ logDir, level: 'info', terminal });
    log.debug('not written');
    log.info('Mount is mounted', { source: 'bucket/demo/data', url: 'https://x/?Signature=abcdef' });
    const cause = new Error('GET with Bearer abcdefgh failed');
    log.error('It failed', {}, new Error('outer', { cause }));
    log.setLevel('debug');
    log.debug('written');
    await log.close();
    const [name, ...others] = await readdir(logDir);
    assert.ok(name !== undefined && others.length === 0);
    const text = await readFile(join(logDir, name), 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    assert.deepEqual(
      lines.map((line) => line['msg']),
      ['Mount is mounted', 'It failed', 'written'],
    );
    assert.match(String(lines[1]?.['err']), /outer[\s\S]*caused by: [\s\S]*Bearer \[removed\]/);
    assert.doesNotMatch(text + shown, /abcdef/);
    assert.match(shown, /^\d\d:\d\d:\d\d Mount is mounted \(source=bucket\/demo\/data/);
    assert.match(shown, /error: It failed/);
    assert.doesNotMatch(shown, /written$/m);
  } finally {
    await rm(logDir, { recursive: true });
  }
});

test('the file rolls by size, and only some older ones are kept, also over restarts', async () => {
  const logDir = await mkdtemp(join(tmpdir(), 'hubdrive-log-'));
  const mebibyte = 'x'.repeat(1 << 20);
  try {
    for (let run = 0; run < 3; run += 1) {
      const file = openRollingFile(join(logDir, 'hubdrive.log'));
      for (let count = 0; count < 35; count += 1) {
        await new Promise<void>((resolve) => {
          if (file.write(`${mebibyte}\n`)) resolve();
          else file.once('drain', resolve);
        });
        await settle(2);
      }
      await new Promise((resolve) => file.once('close', resolve).end());
      const sizes = await Promise.all(
        (await readdir(logDir)).map(async (name) => (await stat(join(logDir, name))).size),
      );
      assert.ok(sizes.length > 1, 'it has rolled');
      assert.ok(sizes.length <= 5, `${sizes.length} files`);
      for (const size of sizes) assert.ok(size <= 12 << 20, `${size} bytes`);
    }
  } finally {
    await rm(logDir, { recursive: true, force: true });
  }
});

test('a short line leaves out what a person does not need', () => {
  assert.match(
    formatShort('{"level":40,"time":0,"pid":1,"msg":"Slow","a":null,"b":2,"err":"stack"}'),
    /^\d\d:\d\d:\d\d warning: Slow \(b=2\)\n$/,
  );
});

test('every error becomes a problem with a redacted message', () => {
  assert.deepEqual(problemOf(new HostError('busy', 'in use', { retryable: true })), {
    code: 'busy',
    message: 'in use',
    retryable: true,
  });
  const used = Object.assign(new Error('listen EADDRINUSE'), {
    code: 'EADDRINUSE',
    address: '127.0.0.1',
    port: 21_000,
  });
  assert.equal(problemOf(used).code, 'port-in-use');
  assert.match(problemOf(used).message, /21000/);
  const odd = problemOf(new Error('token hf_abcdefghij'));
  assert.equal(odd.code, 'internal');
  assert.doesNotMatch(odd.message, /abcdefghij/);
  assert.equal(problemOf('text').message, 'Unexpected failure: text');
});
