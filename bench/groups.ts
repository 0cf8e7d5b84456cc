// Every group of rows, in the order in which they run.

import type { BenchGroup } from './row.ts';

export const groups: readonly BenchGroup[] = [];
