// Large trees in the embedded Hub, made in its own process: names of one small content, of the length that names in buckets have.

import { hubHere } from './hub-child.ts';

export interface TreeOptions {
  readonly bucket: string;
  /** 0: all files in the top folder. */
  readonly folders: number;
  /** In each folder, or in the top folder. */
  readonly files: number;
}

const namesAtOnce = 10_000;

export async function putTree(options: TreeOptions): Promise<void> {
  const { content } = hubHere();
  content.createBucket(options.bucket);
  await content.putFile(options.bucket, 'first', 'A file of a large tree.\n');
  let names: string[] = [];
  for (const path of pathsOf(options)) {
    names.push(path);
    if (names.length < namesAtOnce) continue;
    content.putNames(options.bucket, 'first', names);
    names = [];
  }
  if (names.length > 0) content.putNames(options.bucket, 'first', names);
}

function* pathsOf({ folders, files }: TreeOptions): Generator<string> {
  for (let folder = 0; folder < Math.max(1, folders); folder += 1) {
    const above = folders === 0 ? '' : `${folderName(folder)}/`;
    for (let file = 0; file < files; file += 1) {
      yield `${above}part-${String(file).padStart(7, '0')}-of-the-dataset.bin`;
    }
  }
}

export function folderName(folder: number): string {
  return `shard-${String(folder).padStart(5, '0')}`;
}
