// Puts one mount's engine together: Hub client, VirtualFs and NFS server. Runs inside the engine thread.

import { HostError } from '../problem.ts';
import type { OpenFileSystem } from './engine-runtime.ts';

export const openRealFileSystem: OpenFileSystem = (spec) =>
  Promise.reject(
    new HostError(
      'unsupported',
      `“${spec.source}” cannot be opened: the file system is not part of this build yet`,
    ),
  );
