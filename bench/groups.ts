// Every group of rows, in the order in which they run.

import type { BenchGroup } from './row.ts';
import { editGroup } from './rows/edit.ts';
import { idleGroup } from './rows/idle.ts';
import { largeTreeGroup } from './rows/large-tree.ts';
import { metadataGroup } from './rows/metadata.ts';
import { readGroup } from './rows/read.ts';
import { remoteFirstReadsGroup } from './rows/remote-first-reads.ts';
import { remoteReadsGroup } from './rows/remote-reads.ts';
import { remoteWritesGroup } from './rows/remote-writes.ts';
import { uploadPipelineGroup } from './rows/upload-pipeline.ts';
import { uploadServingGroup } from './rows/upload-serving.ts';
import { writeGroup } from './rows/write.ts';

export const groups: readonly BenchGroup[] = [
  readGroup,
  writeGroup,
  metadataGroup,
  remoteReadsGroup,
  remoteFirstReadsGroup,
  remoteWritesGroup,
  uploadPipelineGroup,
  uploadServingGroup,
  editGroup,
  largeTreeGroup,
  idleGroup,
];
