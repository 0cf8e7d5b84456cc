// The codecs of uploads under measurement, in a process of its own: ours block by block as an upload pushes them, and the library's inside
// its own upload, with a `fetch` that answers without a network. See rows/upload-pipeline.ts.

import { uploadFiles } from '@huggingface/hub';
import { createInlineCodec } from '../src/hub/codec-pool.ts';
import { systemHubClock } from '../src/hub/surroundings.ts';
import { generate } from './content.ts';
import { verify } from './row.ts';

export const pipelineContents = ['text', 'random', 'floats'] as const;
type PipelineContent = (typeof pipelineContents)[number];

export interface PipelineFigure {
  readonly content: PipelineContent;
  readonly subject: string;
  /** Per second of processor time. */
  readonly megabytesPerSecond: number;
}

const blockBytes = 1024 * 1024;
const seed = 91;

export async function measurePipelines({
  sizeBytes,
}: {
  readonly sizeBytes: number;
}): Promise<PipelineFigure[]> {
  const figures: PipelineFigure[] = [];
  for (const content of pipelineContents) {
    const data = contentOf(content, sizeBytes);
    for (const [subject, work] of [
      ['hubdrive', () => encodeHere(data)],
      ['@huggingface/hub', () => encodeInLibrary(data)],
    ] as const) {
      const before = process.cpuUsage();
      await work();
      const { user, system } = process.cpuUsage(before);
      figures.push({ content, subject, megabytesPerSecond: sizeBytes / (user + system) });
    }
  }
  return figures;
}

/** All chunks are new, as in a first upload. */
async function encodeHere(data: Buffer): Promise<void> {
  const pool = createInlineCodec(systemHubClock);
  const codec = pool.open(data.length);
  const target = pool.targets.take(2 * blockBytes);
  let plainBytes = 0;
  for (let at = 0; at < data.length; at += blockBytes) {
    // The copy stands for what an upload reads from the disk.
    const block = pool.blocks.take(blockBytes);
    block.set(data.subarray(at, at + blockBytes));
    const { sizes } = await codec.push(block, at + blockBytes >= data.length);
    const wanted = new Uint8Array(sizes.length).fill(1);
    const { blocks } = await codec.encode(wanted, target, 0);
    for (const done of blocks) pool.blocks.give(done);
    for (const size of sizes) plainBytes += size;
  }
  codec.close();
  await pool.close();
  verify(plainBytes === data.length, 'the codecs lost bytes');
}

async function encodeInLibrary(data: Buffer): Promise<void> {
  let xorbs = 0;
  const answer = (value: unknown, status = 200): Response => Response.json(value, { status });
  await uploadFiles({
    repo: { type: 'bucket', name: 'bench/pipeline' },
    hubUrl: 'http://hub.invalid',
    accessToken: 'hf_none',
    files: [{ path: 'data', content: new Blob([Uint8Array.from(data)]) }],
    fetch: (input) => {
      const url = input instanceof Request ? input.url : String(input);
      if (url.includes('/xet-write-token')) {
        const exp = Math.floor(Date.now() / 1000) + 3600;
        return Promise.resolve(answer({ casUrl: 'http://cas.invalid', accessToken: 'none', exp }));
      }
      if (url.includes('/chunks/')) return Promise.resolve(answer({}, 404));
      if (url.includes('/xorbs/')) xorbs += 1;
      return Promise.resolve(answer({ was_inserted: true, result: 1, success: true, failed: [] }));
    },
  });
  verify(xorbs > 0, 'the library sent nothing');
}

function contentOf(content: PipelineContent, sizeBytes: number): Buffer {
  if (content !== 'floats') return generate(content, sizeBytes, seed);
  // Weights of a model: normally distributed 32-bit floats, of which the high bytes compress once regrouped.
  const random = generate('random', sizeBytes, seed);
  const words = new Uint32Array(random.buffer, random.byteOffset, sizeBytes / 4);
  const floats = new Float32Array(words.length);
  for (let at = 0; at < words.length; at += 2) {
    const radius = Math.sqrt(-2 * Math.log(((words[at] ?? 0) + 1) / 4_294_967_297)) * 0.02;
    const angle = ((words[at + 1] ?? 0) / 4_294_967_296) * 2 * Math.PI;
    floats[at] = radius * Math.cos(angle);
    floats[at + 1] = radius * Math.sin(angle);
  }
  return Buffer.from(floats.buffer);
}
