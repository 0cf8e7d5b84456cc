// Chunking, hashing and compressing on one core: the engine's codecs as uploads drive them, beside the library `@huggingface/hub` doing the
// same for an upload whose requests are answered on the spot. Figures are per second of processor time.

import { pipelineContents, type PipelineFigure } from '../upload-pipeline-child.ts';
import type { BenchGroup, OpenGroup } from '../row.ts';
import type { BenchWorld } from '../world.ts';

const childModule = new URL('../upload-pipeline-child.ts', import.meta.url);
const library = '@huggingface/hub';
const rowOf = (content: string): string => `chunk, hash, compress ${content}`;

export const uploadPipelineGroup: BenchGroup = {
  name: 'upload pipeline',
  targets: [
    { metric: rowOf('text'), atLeast: 300 },
    { metric: rowOf('random'), atLeast: 600 },
    ...pipelineContents.map((content) => ({ metric: rowOf(content), against: library, atLeast: 3 })),
  ],
  maxRuns: 5,
  open,
};

async function open(world: BenchWorld): Promise<OpenGroup> {
  const child = world.startChild();
  const sizeBytes = world.scaled(128, 4) * 1024 * 1024;
  return Promise.resolve({
    async run() {
      const figures = await child.call<PipelineFigure[]>(childModule, 'measurePipelines', { sizeBytes });
      return figures.map(({ content, subject, megabytesPerSecond }) => ({
        ...{ metric: rowOf(content), subject, unit: 'MB/s' as const, value: megabytesPerSecond },
      }));
    },
    close: () => child.close(),
  });
}
