import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { findDeepLink, mountQuestion, parseDeepLink } from '../../src/main/tray/deep-link.ts';

test('links propose a mount at the default place', () => {
  assert.deepEqual(parseDeepLink('hubdrive://mount/bucket/demo/project/sub%20folder'), {
    type: 'mount',
    argument: {
      source: 'bucket/demo/project/sub folder',
      revision: null,
      readOnly: false,
      mountPoint: null,
      serverOnly: false,
    },
  });
  assert.deepEqual(parseDeepLink('hubdrive://mount/models/org/name?revision=refs%2Fpr%2F3&read-only=1'), {
    type: 'mount',
    argument: {
      source: 'model/org/name',
      revision: 'refs/pr/3',
      readOnly: true,
      mountPoint: null,
      serverOnly: false,
    },
  });
  assert.deepEqual(parseDeepLink('hubdrive://open'), { type: 'open' });
});

for (const wrong of [
  '',
  'hubdrive:',
  'hubdrive://',
  'hubdrive://mount',
  'hubdrive://mount/',
  'hubdrive://mount/bucket/demo',
  'hubdrive://mount/bucket/../../etc/passwd',
  'hubdrive://mount/bucket/demo/project/..%2f..%2fx',
  'hubdrive://mount/bucket/demo/project/%00',
  'hubdrive://mount/bucket/demo/project/%',
  'hubdrive://mount/bucket/demo/project?mountPoint=/etc',
  'hubdrive://mount/bucket/demo/project?revision=v1',
  'hubdrive://mount/bucket/demo/project#x',
  'hubdrive://user:secret@mount/bucket/demo/project',
  'hubdrive://mount:80/bucket/demo/project',
  'hubdrive://unmount/bucket/demo/project',
  'https://huggingface.co/buckets/demo/project',
  `hubdrive://mount/bucket/demo/${'x'.repeat(3000)}`,
]) {
  test(`the link “${wrong.slice(0, 70)}” is refused with a reason`, () => {
    const link = parseDeepLink(wrong);
    assert.equal(link.type, 'refused');
    assert.ok('reason' in link && link.reason.length > 5);
  });
}

test('no text whatever makes it throw or name a folder of this computer', () => {
  const urls = fc.tuple(
    fc.constantFrom('hubdrive://mount/', 'hubdrive://', ''),
    fc.string({ maxLength: 80, unit: 'binary' }),
  );
  fc.assert(
    fc.property(urls, ([start, rest]) => {
      const link = parseDeepLink(start + rest);
      if (link.type === 'mount') assert.equal(link.argument.mountPoint, null);
    }),
  );
});

test('the link among a process’s arguments is found', () => {
  assert.equal(findDeepLink(['electron', '.', '--hidden', 'hubdrive://open']), 'hubdrive://open');
  assert.equal(findDeepLink(['electron', '.']), null);
});

test('the question defaults to Cancel and warns of writing only where it is possible', () => {
  const argument = {
    source: 'bucket/a/b',
    revision: null,
    readOnly: false,
    mountPoint: null,
    serverOnly: false,
  };
  const question = mountQuestion(argument);
  assert.equal(question.defaultChoice, 'cancel');
  assert.match(question.detail, /sent to the Hub/);
  const readOnly = mountQuestion({ ...argument, readOnly: true });
  assert.doesNotMatch(readOnly.detail, /sent to the Hub/);
  assert.deepEqual(readOnly.choices, ['read-only', 'cancel']);
});
