// What a person does in the panel inside the guest, as a command: opens the address in Chromium, mounts demo/work by clicking, waits for a
// program's WRITE to show, unmounts by clicking. Talks to the script around it by files in the folder given.
//   panel-clicks.ts ADDRESS FOLDER
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const [address = '', folder = ''] = process.argv.slice(2);
const patienceMs = 150_000;

async function waitForFile(name: string): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(200)) {
    if (
      await access(join(folder, name)).then(
        () => true,
        () => false,
      )
    )
      return;
  }
  throw new Error(`gave up waiting for ${name}`);
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  timeout: patienceMs,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
});
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(patienceMs);
  await page.goto(address);
  await page.getByRole('button', { name: 'Choose what to mount' }).click();
  await page.getByRole('option', { name: 'demo/work' }).click();
  await page.getByRole('button', { name: 'Mount', exact: true }).click();
  const row = page.getByRole('listitem', { name: /^work, / });
  await row.getByRole('button', { name: 'Open' }).waitFor();
  await writeFile(join(folder, 'mounted'), '');
  await waitForFile('written');
  await page.getByRole('tab', { name: /^Activity/ }).click();
  await page.getByRole('option', { name: /WRITE .*from-a-program\.txt/ }).waitFor();
  await writeFile(join(folder, 'seen'), '');
  await page.getByRole('tab', { name: /^Mounts/ }).click();
  await row.locator('label').click();
  await row.getByText('Not mounted').waitFor();
  await writeFile(join(folder, 'unmounted'), '');
} finally {
  await browser.close();
}
