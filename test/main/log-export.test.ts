import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { exportLogs } from '../../src/main/log-export.ts';
import { HostWorld } from '../support/host-world.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'hubdrive-export-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const at = Date.UTC(2026, 10, 22, 14, 15, 0);

function parts(change: Partial<Parameters<typeof exportLogs>[0]> = {}) {
  const places = { logDir: join(dir, 'logs'), exportDir: join(dir, 'reports') };
  return { ...places, about: { versions: { hubdrive: '1' } }, secrets: [], now: at, ...change };
}

async function writeLog(name: string, text: string, ageMs: number): Promise<void> {
  await mkdir(join(dir, 'logs'), { recursive: true });
  const path = join(dir, 'logs', name);
  await writeFile(path, text);
  await utimes(path, new Date(at - ageMs), new Date(at - ageMs));
}

test('the report has what is known, then all logs from the oldest on, for this user only', async () => {
  await writeLog('hubdrive.2.log', 'newer line\n', 1000);
  await writeLog('hubdrive.1.log', 'older line\n', 9000);
  await writeLog('unrelated.txt', 'not ours', 0);
  const { path, sizeBytes } = await exportLogs(parts());
  assert.equal(path, join(dir, 'reports', 'hubdrive-report-2026-11-22T14-15-00.txt'));
  const text = await readFile(path, 'utf8');
  assert.equal(Buffer.byteLength(text), sizeBytes);
  assert.match(text, /"hubdrive": "1"[^]*older line\n[^]*newer line\n/);
  assert.ok(!text.includes('not ours'));
  assert.equal((await stat(path)).mode & 0o777, 0o600);
});

const secrets = {
  'a Hub token': ['retried with hf_AbCdEf0123456789', 'hf_AbCdEf0123456789'],
  'an OAuth token': ['got hf_oauth_eyJhbGciOi', 'eyJhbGciOi'],
  'an Authorization header': ['authorization: Bearer eyJ0eXAi.abc', 'eyJ0eXAi'],
  'a signed URL': ['GET https://cas/x?X-Amz-Signature=deadbeef&Expires=1', 'deadbeef'],
  'any query of a URL': ['GET https://cdn/x?anything=unheard-of failed', 'unheard-of'],
  'a password in a URL': ['proxy http://ada:countess@proxy:3128/', 'countess'],
  'an export path': [`127.0.0.1:/${'ab'.repeat(20)} mounted`, 'ab'.repeat(20)],
  'what is known to be secret, in any shape': ['the odd-Secret: value', 'odd-Secret'],
} as const;
for (const [name, [line, secret]] of Object.entries(secrets)) {
  test(`${name} is not in the report, neither from a log nor from the state`, async () => {
    await writeLog('hubdrive.1.log', `${JSON.stringify({ msg: line })}\n`, 0);
    const { path } = await exportLogs(parts({ about: { problem: line }, secrets: ['odd-Secret'] }));
    const text = await readFile(path, 'utf8');
    assert.ok(!text.includes(secret), text);
    assert.equal(text.split('[removed]').length > 2, true, 'the rest of both lines is there');
  });
}

test('without a log there is still a report, and of reports only the newest three stay', async () => {
  for (let index = 0; index < 5; index += 1) await exportLogs(parts({ now: at + index * 1000 }));
  const names = await readdir(join(dir, 'reports'));
  assert.deepEqual(
    names.toSorted(),
    ['02', '03', '04'].map((second) => `hubdrive-report-2026-11-22T14-15-${second}.txt`),
  );
});

test('a log that cannot be read fails the report and leaves nothing half', async () => {
  await mkdir(join(dir, 'logs', 'hubdrive.1.log'), { recursive: true });
  await assert.rejects(exportLogs(parts()), { code: 'EISDIR' });
  assert.deepEqual(await readdir(join(dir, 'reports')), []);
});

test('a running host writes its report without its token and without the way into its mounts', async () => {
  const world = await HostWorld.start();
  try {
    const mount = await world.mount();
    const exportPath = mount.nfs?.exportPath ?? assert.fail('it is served');
    await mkdir(world.places.logDir, { recursive: true });
    await writeFile(join(world.places.logDir, 'hubdrive.1.log'), `hf_demo asked for ${exportPath}\n`);
    const connection = await world.connect();
    const { path } = await connection.call('logs:export', null);
    const text = await readFile(path, 'utf8');
    for (const part of ['9.9.9', 'bucket/demo/work', 'Right to mount', 'cacheLimitBytes', 'asked for']) {
      assert.ok(text.includes(part), part);
    }
    assert.ok(!text.includes('hf_demo'));
    assert.ok(!text.includes(exportPath));
  } finally {
    await world.close();
  }
});
