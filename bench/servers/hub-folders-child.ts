// Folders with many small files, put into the embedded Hub in its process; and what each of their files is, for other subjects.

import { hubHere } from '../hub-child.ts';

/** Of every file. */
export const smallContent = '0123456789abcdef';
/** Files of one commit. */
const batchFiles = 5000;

export function nameOfEntry(index: number): string {
  return `a-file-of-many-${String(index).padStart(7, '0')}.bin`;
}

export async function putFolder(options: {
  readonly bucket: string;
  readonly name: string;
  readonly entries: number;
}): Promise<void> {
  const { content } = hubHere();
  content.createBucket(options.bucket);
  for (let first = 0; first < options.entries; first += batchFiles) {
    const files = Array.from({ length: Math.min(batchFiles, options.entries - first) }, (_, index) => ({
      path: `${options.name}/${nameOfEntry(first + index)}`,
      data: smallContent,
    }));
    await content.putFiles(options.bucket, files);
  }
}
