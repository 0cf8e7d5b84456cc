/// <reference lib="dom" />
// Takes a picture of every main view, light and dark, at two widths (HUBDRIVE_SCREENSHOTS says where), and lets axe judge each.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { zeroCounters } from '../../src/shared/model.ts';
import { FakeHost } from '../support/fake-host.ts';
import { findSeriousProblems } from './axe.ts';
import { browserOptions, screenshotPath, usePanelBrowser } from './browser.ts';
import { busyHost, troubledHost } from './scenes.ts';

const browser = usePanelBrowser();

interface Scene {
  readonly name: string;
  readonly host: () => FakeHost;
  readonly prepare: (page: Page, host: FakeHost) => Promise<void>;
}

const firstRunHost = (): FakeHost => {
  const host = new FakeHost({ token: 'none' });
  host.account = { ...host.account, token: 'none', user: null, existingLogin: 'login-file' };
  return host;
};

/** The page's clock runs through a minute of uploads and reads in a moment. */
async function liveThroughAMinute(page: Page, host: FakeHost): Promise<void> {
  await page.clock.install();
  const id = 'bucket-ada-training-runs';
  for (let second = 0; second < 60; second += 1) {
    const counters = host.state.mounts.find((mount) => mount.id === id)?.counters ?? zeroCounters;
    host.setMount(id, {
      counters: {
        ...counters,
        readBytes: counters.readBytes + 3e7 * (1 + Math.sin(second / 5)),
        writtenBytes: counters.writtenBytes + (second % 20 < 8 ? 2.4e7 : 0),
        uploadedBytes: counters.uploadedBytes + 3.1e7,
      },
    });
    // Real time for the push to arrive in; a late one makes the curve uglier and nothing else.
    await page.waitForTimeout(15);
    await page.clock.fastForward(1000);
  }
  await page.clock.resume();
}

const openPicker = async (page: Page): Promise<void> => {
  await page.getByRole('button', { name: 'Mount…' }).click();
  await page.getByRole('option', { name: 'ada/training-runs' }).waitFor();
};

const scenes: readonly Scene[] = [
  {
    name: 'first-run',
    host: firstRunHost,
    prepare: async (page) => {
      await page.getByRole('button', { name: /Use the login/ }).waitFor();
    },
  },
  {
    name: 'mounts-empty',
    host: () => new FakeHost(),
    prepare: async (page) => {
      await page.getByText('Nothing is mounted yet').waitFor();
    },
  },
  {
    name: 'mounts',
    host: busyHost,
    prepare: async (page, host) => {
      await page.getByText('training-runs').first().waitFor();
      await liveThroughAMinute(page, host);
      await page.getByText(/Sending 3 changes \(412 MB\) · \d+ MB\/s/).waitFor();
    },
  },
  { name: 'picker', host: busyHost, prepare: openPicker },
  {
    name: 'picker-details',
    host: busyHost,
    prepare: async (page) => {
      await openPicker(page);
      await page.getByRole('option', { name: 'ada/training-runs' }).click();
      await page.getByRole('button', { name: 'Mount', exact: true }).waitFor();
    },
  },
  {
    name: 'activity',
    host: busyHost,
    prepare: async (page, host) => {
      await page.getByRole('tab', { name: 'Activity' }).click();
      await page.getByText('RENAME').first().waitFor();
      await liveThroughAMinute(page, host);
    },
  },
  {
    name: 'activity-stale',
    host: troubledHost,
    prepare: async (page) => {
      await page.getByRole('tab', { name: 'Activity' }).click();
      await page
        .getByRole('option', { name: /checkpoint-12000/ })
        .first()
        .click();
      await page.getByRole('list', { name: 'On its way' }).waitFor();
    },
  },
  {
    name: 'pending',
    host: troubledHost,
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Put away' }).first().click();
      await page.getByRole('tab', { name: /Pending/ }).click();
      await page.getByText('Uploading 39 %').waitFor();
      await page.getByRole('button', { name: /Keep both/ }).waitFor();
    },
  },
  {
    name: 'settings',
    host: busyHost,
    prepare: async (page) => {
      await page.getByRole('tab', { name: 'Settings' }).click();
      await page.getByText('Signed in as Ada Lovelace').waitFor();
      await page.getByRole('button', { name: 'Run checks' }).click();
      await page.getByRole('list', { name: 'Results' }).waitFor();
    },
  },
];

const wide = { width: 1000, height: 680 };
const narrow = { width: 400, height: 720 };
const looks = [
  { name: 'wide-light', viewport: wide, colorScheme: 'light' },
  { name: 'wide-dark', viewport: wide, colorScheme: 'dark' },
  { name: 'narrow-dark', viewport: narrow, colorScheme: 'dark' },
  { name: 'narrow-light', viewport: narrow, colorScheme: 'light' },
] as const;

for (const { name, host, prepare } of scenes) {
  test(
    `${name} has no serious accessibility problem, light and dark, wide and narrow`,
    browserOptions,
    async (t) => {
      const made = host();
      const { page, complaints } = await browser.open(t, made, { viewport: wide, reducedMotion: 'reduce' });
      await prepare(page, made);
      for (const look of looks) {
        await page.setViewportSize(look.viewport);
        await page.emulateMedia({ colorScheme: look.colorScheme });
        await page.evaluate(settleFrames);
        await page.screenshot({ path: await screenshotPath(`${name}-${look.name}`) });
        assert.deepEqual(await findSeriousProblems(page), [], look.name);
        assert.equal(await page.evaluate(scrollsSideways), false, `${look.name} scrolls sideways`);
      }
      assert.deepEqual(complaints, []);
    },
  );
}

/** Layout that follows a measured size needs a frame or two. */
function settleFrames(): Promise<void> {
  return new Promise((resolve) => {
    requestAnimationFrame(() => requestAnimationFrame(() => resolve()));
  });
}

function scrollsSideways(): boolean {
  return document.documentElement.scrollWidth > document.documentElement.clientWidth;
}
