import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { HubUrls, SubfolderPaths, encodePath } from '../../src/hub/hub-paths.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { formatSource, parseSource } from '../../src/hub/source.ts';
import { findToken } from '../../src/hub/token.ts';

describe('sources', () => {
  test('name a kind, an owner, a name and perhaps a subfolder', () => {
    assert.deepEqual(parseSource('bucket/me/data'), {
      kind: 'bucket',
      owner: 'me',
      name: 'data',
      subfolder: '',
      revision: null,
    });
    assert.equal(parseSource('datasets/org/set/a b/c#d').subfolder, 'a b/c#d');
    assert.equal(parseSource('model/org/m-1.0_x', 'refs/pr/7').revision, 'refs/pr/7');
    assert.equal(parseSource(' space/o/n/ ').name, 'n');
  });

  test('are written as they are read', () => {
    for (const text of ['bucket/a/b', 'model/a/b/c/d', 'dataset/a/b', 'space/a/b/ü']) {
      assert.equal(formatSource(parseSource(text)), text);
    }
  });

  test('that make no sense are refused with the form to use', () => {
    for (const text of [
      '',
      'a/b',
      'bucket',
      'bucket/a',
      'folder/a/b',
      'bucket/a/b/../c',
      'bucket/a/b//c',
      'bucket//b',
      'bucket/a b/c',
      'toString/a/b',
    ]) {
      assert.throws(
        () => parseSource(text),
        (error) => error instanceof HubError && error.code === 'invalid' && error.message.length > 20,
        text,
      );
    }
    assert.throws(() => parseSource('bucket/a/b', 'main'), /no revisions/);
    assert.throws(() => parseSource('model/a/b', '../x'), /not a revision/);
  });

  test('no text makes the parser fail otherwise', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseSource(`bucket/${text}`);
        } catch (error) {
          assert.ok(error instanceof HubError);
        }
      }),
    );
  });
});

describe('paths', () => {
  test('are encoded segment by segment, strictly', () => {
    assert.equal(encodePath("a b/c#?%/ü'(1)!*"), 'a%20b/c%23%3F%25/%C3%BC%27%281%29%21%2A');
    const urls = new HubUrls('http://hub.test//');
    assert.equal(
      urls.resolve('dataset', 'o/n', 'refs/pr/1', 'a/b c'),
      'http://hub.test/datasets/o/n/resolve/refs%2Fpr%2F1/a/b%20c',
    );
    assert.equal(urls.resolve('bucket', 'o/n', null, 'x'), 'http://hub.test/buckets/o/n/resolve/x');
    assert.equal(urls.api('model', 'o/n'), 'http://hub.test/api/models/o/n');
  });

  test('any text decodes to itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        assert.equal(encodePath(text).split('/').map(decodeURIComponent).join('/'), text.toWellFormed());
      }),
    );
  });

  test('map to the subfolder and back, and nothing else does', () => {
    const paths = new SubfolderPaths('a/b');
    assert.equal(paths.toHub(''), 'a/b');
    assert.equal(paths.toHub('c'), 'a/b/c');
    assert.equal(paths.fromHub('a/b/c'), 'c');
    assert.equal(paths.fromHub('a/bc'), null);
    assert.equal(new SubfolderPaths('').fromHub('x'), 'x');
  });
});

describe('the token of other tools', () => {
  test('comes from the environment first, else from the login file', async () => {
    const home = await mkdtemp(path.join(os.tmpdir(), 'hubdrive-token-'));
    try {
      assert.equal(await findToken({ HF_HOME: home }), null);
      await writeFile(path.join(home, 'token'), ' hf_file\n');
      assert.deepEqual(await findToken({ HF_HOME: home }), { token: 'hf_file', origin: 'login-file' });
      assert.deepEqual(await findToken({ HF_HOME: home, HF_TOKEN: 'hf_env\n' }), {
        token: 'hf_env',
        origin: 'HF_TOKEN',
      });
      assert.deepEqual(await findToken({ HF_HOME: home, HF_TOKEN: ' ' }), {
        token: 'hf_file',
        origin: 'login-file',
      });
      await writeFile(path.join(home, 'other'), 'hf_other');
      const env = { HF_HOME: home, HF_TOKEN_PATH: path.join(home, 'other') };
      assert.equal((await findToken(env))?.token, 'hf_other');
      await assert.rejects(findToken({ HF_TOKEN_PATH: home }), /cannot be read/);
      await writeFile(path.join(home, 'token'), '\n');
      assert.equal(await findToken({ HF_HOME: home }), null);
    } finally {
      await rm(home, { recursive: true });
    }
  });
});
