// The regression stories over the file system in memory. The same stories run over the real VirtualFs elsewhere.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { generationOfSource, MemoryFileSystem } from '../support/memory-file-system.ts';
import { tellNfsStories } from '../support/nfs-stories.ts';

tellNfsStories(
  'memory',
  async (_t, { source, files }) => {
    const fileSystem = new MemoryFileSystem({ generation: generationOfSource(source) });
    for (const [path, content] of Object.entries(files)) fileSystem.addFile(path, content);
    return { fileSystem, restart: async () => fileSystem };
  },
  {
    async generationElsewhere(source) {
      const module = JSON.stringify(new URL('../support/memory-file-system.ts', import.meta.url).href);
      const print = `const { generationOfSource } = await import(${module});
        process.stdout.write(Buffer.from(generationOfSource(${JSON.stringify(source)})).toString('hex'));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', print]);
      return stdout;
    },
  },
);
