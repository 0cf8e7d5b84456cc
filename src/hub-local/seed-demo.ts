// Fills an embedded Hub with the demo: a bucket, a model and a dataset with a branch and a tag each. Done once per data
// directory; a seeding that was cut short is started over.

import type { HubDatabase } from './database.ts';
import { demoBucketFiles, demoDatasetFiles, demoModelFiles, type DemoFile } from './demo-files.ts';
import type { HubContent } from './hub-content.ts';

/** Dates are fixed, so that commit ids and listings are the same everywhere. */
const firstDate = Date.UTC(2026, 0, 5, 9, 0, 0);
const dayMs = 86_400_000;

export async function seedDemo(db: HubDatabase, content: HubContent, owner: string): Promise<void> {
  const state = db.meta('demo');
  if (state === 'done') return;
  const bucket = `${owner}/project`;
  const model = `${owner}/tiny-model`;
  const dataset = `${owner}/tiny-dataset`;
  if (state === 'started') {
    content.remove('bucket', bucket);
    content.remove('model', model);
    content.remove('dataset', dataset);
  }
  db.setMeta('demo', 'started');
  content.createBucket(bucket);
  await content.putFiles(
    bucket,
    demoBucketFiles().map((file, index) => ({ ...file, mtimeMs: firstDate + index * 60_000 })),
  );
  await seedRepo(content, 'model', model, demoModelFiles);
  await seedRepo(content, 'dataset', dataset, demoDatasetFiles);
  db.setMeta('demo', 'done');
}

/** Version 1 is tagged `v1`, `main` has version 2, and the branch `dev` one file more. */
async function seedRepo(
  content: HubContent,
  type: 'model' | 'dataset',
  id: string,
  filesOf: (version: number) => DemoFile[],
): Promise<void> {
  content.createRepo(type, id, { dateMs: firstDate });
  await content.commitFiles(type, id, 'main', filesOf(1), {
    title: 'Add version 1',
    dateMs: firstDate + dayMs,
  });
  content.setRef(type, id, 'refs/tags/v1', 'main');
  await content.commitFiles(type, id, 'main', filesOf(2), {
    title: 'Version 2',
    dateMs: firstDate + 2 * dayMs,
  });
  content.setRef(type, id, 'refs/heads/dev', 'main');
  await content.commitFiles(type, id, 'dev', [{ path: 'notes/plan.md', data: '# Plan\n\nTry it out.\n' }], {
    title: 'Write down the plan',
    dateMs: firstDate + 3 * dayMs,
  });
}
