// The other client of the kernel tests: `@huggingface/hub`, which nobody here wrote, run as a command inside the guest.
//   create BUCKET · digest BUCKET (one "sha256  path" line a file, sorted) · put BUCKET PATH FILE · remove BUCKET PATH
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRepo, deleteFile, downloadFile, listFiles, uploadFile } from '@huggingface/hub';

const [command, bucket = '', path = '', file = ''] = process.argv.slice(2);
const repo = { type: 'bucket' as const, name: bucket };
const access = { hubUrl: process.env['HF_ENDPOINT'] ?? '', accessToken: process.env['HF_TOKEN'] ?? '' };

async function digest(): Promise<string> {
  const lines: string[] = [];
  for await (const entry of listFiles({ repo, recursive: true, ...access })) {
    if (entry.type !== 'file') continue;
    const encoded = entry.path.split('/').map(encodeURIComponent).join('/');
    const blob = entry.size === 0 ? new Blob([]) : await downloadFile({ repo, path: encoded, ...access });
    if (blob === null) throw new Error(`the Hub lists ${entry.path} but does not have it`);
    const sum = createHash('sha256').update(new Uint8Array(await blob.arrayBuffer()));
    lines.push(`${sum.digest('hex')}  ./${entry.path}`);
  }
  return lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('\n');
}

switch (command) {
  case 'create':
    await createRepo({ repo, ...access });
    break;
  case 'digest':
    process.stdout.write((await digest()) + '\n');
    break;
  case 'put':
    await uploadFile({ repo, file: { path, content: new Blob([await readFile(file)]) }, ...access });
    break;
  case 'remove':
    await deleteFile({ repo, path, ...access });
    break;
  default:
    throw new Error(`unknown command "${command}"`);
}
