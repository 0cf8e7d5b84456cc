// The list of mounts in a real browser: every state reaches the screen as a sentence, every control asks the host and shows its answer.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idleView, mountView } from '../support/fake-host.ts';
import { browserOptions, hostWith, usePanelBrowser } from './browser.ts';

const browser = usePanelBrowser();

test('the printed address shows the live list of mounts', browserOptions, async (t) => {
  const host = hostWith([mountView({ source: 'bucket/demo/project' })]);
  const { page, complaints } = await browser.open(t, host);
  const row = page.getByRole('listitem', { name: 'project, Bucket' });
  await row.getByText('Idle').waitFor();
  assert.equal(await row.getByRole('switch').isChecked(), true);

  host.setMount('bucket-demo-project', { pending: { files: 3, bytes: 12_000_000 } });
  await row.getByText('3 changes (12 MB) safe on this computer, to be sent').waitFor();

  host.set({ mounts: [...host.state.mounts, idleView({ source: 'model/ada/tiny', readOnly: true })] });
  const model = page.getByRole('listitem', { name: 'tiny, Model' });
  await model.getByText('Not mounted').waitFor();
  await model.getByText('Read-only').waitFor();
  assert.equal(await model.getByRole('switch').isChecked(), false);
  assert.deepEqual(complaints, []);
});
