// Git object ids as the Hub shows them: blobs are real ones, LFS files have the id of their pointer, trees and commits
// ids of the same form that depend on their content.

import { createHash } from 'node:crypto';

function sha1(...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha1');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

export function blobOid(data: Uint8Array): string {
  return sha1(`blob ${data.byteLength}\0`, data);
}

export function lfsPointer(sha256: string, sizeBytes: number): Buffer {
  return Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${sha256}\nsize ${sizeBytes}\n`);
}

/** `lines`: one per child, in any order. */
export function treeOid(lines: readonly string[]): string {
  return sha1('tree ', [...lines].toSorted().join('\n'));
}

export function commitOid(fields: Readonly<Record<string, unknown>>): string {
  return sha1('commit ', JSON.stringify(fields));
}

/** What a new repo's `.gitattributes` tracks with LFS; also decides the upload mode. */
export const lfsExtensions: readonly string[] = (
  '7z arrow bin bz2 ckpt ftz gz h5 joblib lfs.* mlmodel model msgpack npy npz onnx ot parquet pb pickle pkl pt pth ' +
  'rar safetensors tar tflite tgz wasm xz zip zst'
).split(' ');

export const defaultGitAttributes = lfsExtensions
  .map((extension) => `*.${extension} filter=lfs diff=lfs merge=lfs -text\n`)
  .join('');
