import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hubPage, parsePasted } from '../../src/renderer/text/hub-address.ts';

const hub = 'https://huggingface.co';

const understood: readonly [text: string, source: string, revision: string | null, subfolder: string][] = [
  ['https://huggingface.co/buckets/ada/runs', 'bucket/ada/runs', null, ''],
  ['https://huggingface.co/buckets/ada/runs/tree/logs/2026', 'bucket/ada/runs', null, 'logs/2026'],
  ['https://huggingface.co/buckets/ada/runs/resolve/logs/a.txt', 'bucket/ada/runs', null, 'logs'],
  ['https://huggingface.co/ada/tiny', 'model/ada/tiny', null, ''],
  ['huggingface.co/ada/tiny/', 'model/ada/tiny', null, ''],
  ['  https://hf.co/ada/tiny?library=transformers#usage ', 'model/ada/tiny', null, ''],
  ['https://huggingface.co/ada/tiny/tree/main', 'model/ada/tiny', 'main', ''],
  ['https://huggingface.co/ada/tiny/tree/refs%2Fpr%2F3/onnx', 'model/ada/tiny', 'refs/pr/3', 'onnx'],
  ['https://huggingface.co/ada/tiny/tree/refs/pr/3/onnx', 'model/ada/tiny', 'refs/pr/3', 'onnx'],
  ['https://huggingface.co/ada/tiny/blob/v1/onnx/model.onnx', 'model/ada/tiny', 'v1', 'onnx'],
  ['https://huggingface.co/ada/tiny/discussions/4', 'model/ada/tiny', null, ''],
  ['https://huggingface.co/datasets/ada/cards/viewer', 'dataset/ada/cards', null, ''],
  ['https://huggingface.co/spaces/ada/demo', 'space/ada/demo', null, ''],
  ['bucket/ada/runs/logs', 'bucket/ada/runs', null, 'logs'],
  ['datasets/ada/cards', 'dataset/ada/cards', null, ''],
  ['hf://buckets/ada/runs/logs', 'bucket/ada/runs', null, 'logs'],
  ['hf://ada/tiny', 'model/ada/tiny', null, ''],
  ['http://127.0.0.1:4000/buckets/demo/project', 'bucket/demo/project', null, ''],
];

for (const [text, source, revision, subfolder] of understood) {
  test(`“${text}” is ${source}`, () => {
    const found = parsePasted(text, text.startsWith('http://127') ? 'http://127.0.0.1:4000' : hub);
    assert.deepEqual([found?.source, found?.revision, found?.subfolder], [source, revision, subfolder]);
  });
}

const searches = [
  '',
  'tiny',
  'ada/tiny',
  'ada/',
  'bucket',
  'https://evil.example/ada/tiny',
  'http://127.0.0.1:4000/buckets/demo/project',
  'https://huggingface.co',
  'https://huggingface.co/ada',
  'https://huggingface.co/docs/hub',
  'https://huggingface.co/datasets/ada',
  'https://huggingface.co/..%2f/tiny',
  'https://[',
  'hf://ada',
];

for (const text of searches) {
  test(`“${text}” is a search, not a source`, () => {
    assert.equal(parsePasted(text, hub), null);
  });
}

test('a mount leads to its page on the Hub in use', () => {
  assert.equal(hubPage(hub, 'bucket/ada/runs', null), 'https://huggingface.co/buckets/ada/runs');
  assert.equal(
    hubPage(hub, 'bucket/ada/runs/a b', null),
    'https://huggingface.co/buckets/ada/runs/tree/a%20b',
  );
  assert.equal(hubPage(hub, 'model/ada/tiny', null), 'https://huggingface.co/ada/tiny');
  assert.equal(
    hubPage(hub, 'dataset/ada/cards', 'refs/pr/1'),
    'https://huggingface.co/datasets/ada/cards/tree/refs%2Fpr%2F1',
  );
  assert.equal(hubPage('http://h:1/', 'space/ada/demo/x', 'dev'), 'http://h:1/spaces/ada/demo/tree/dev/x');
  assert.equal(hubPage(hub, 'nonsense', null), null);
});
