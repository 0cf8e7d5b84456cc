// The embedded Hub in a process of its own (child.ts). What a benchmark wants in it is put there by functions of the benchmark's own
// modules that run in that process and take the Hub from here.

import { generate, type ContentKind } from './content.ts';
import { startLocalHub, type LocalHub, type LocalHubOptions } from '../src/hub-local/local-hub.ts';

let opened: LocalHub | null = null;

export interface HubAddress {
  readonly endpoint: string;
  readonly token: string;
}

export async function openHub(options: Pick<LocalHubOptions, 'dataDir' | 'settings'>): Promise<HubAddress> {
  opened = await startLocalHub(options);
  return { endpoint: opened.endpoint, token: opened.token };
}

/** The Hub of this process. */
export function hubHere(): LocalHub {
  if (opened === null) throw new Error('This process runs no Hub');
  return opened;
}

export interface GeneratedFile {
  readonly bucket: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly kind: ContentKind;
  readonly seed: number;
}

export async function putGenerated(files: readonly GeneratedFile[]): Promise<void> {
  const { content } = hubHere();
  for (const file of files) {
    content.createBucket(file.bucket);
    await content.putFile(file.bucket, file.path, generate(file.kind, file.sizeBytes, file.seed));
  }
}
