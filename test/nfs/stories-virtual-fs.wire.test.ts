// The regression stories over the real VirtualFs: catalogue, cache and staging on disk, and a Hub in memory.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MemoryRemoteStore } from '../support/memory-remote-store.ts';
import { tellNfsStories } from '../support/nfs-stories.ts';
import { FsHarness } from '../support/virtual-fs-harness.ts';

tellNfsStories(
  'VirtualFs',
  async (t, { source, files }) => {
    const remote = new MemoryRemoteStore({ info: { identifier: source } });
    for (const [path, content] of Object.entries(files)) remote.put(path, content);
    const harness = await FsHarness.open(t, remote);
    return {
      fileSystem: harness.fs,
      async restart() {
        await harness.restart();
        return harness.fs;
      },
    };
  },
  {
    async generationElsewhere(source) {
      const module = JSON.stringify(new URL('../../src/vfs/namespace/generation.ts', import.meta.url).href);
      const print = `const { generationOf } = await import(${module});
        process.stdout.write(Buffer.from(generationOf(${JSON.stringify(source)})).toString('hex'));`;
      const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', print]);
      return stdout;
    },
  },
);
