/// <reference lib="dom" />
// Takes a picture of every main view, light and dark, at two widths (HUBDRIVE_SCREENSHOTS says where), and lets axe judge each.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { FakeHost } from '../support/fake-host.ts';
import { findSeriousProblems } from './axe.ts';
import { browserOptions, screenshotPath, usePanelBrowser } from './browser.ts';
import { busyHost, troubledHost } from './scenes.ts';

const browser = usePanelBrowser();

interface Scene {
  readonly name: string;
  readonly host: () => FakeHost;
  readonly prepare: (page: Page) => Promise<void>;
}

const firstRunHost = (): FakeHost => {
  const host = new FakeHost({ token: 'none' });
  host.account = { ...host.account, token: 'none', user: null, existingLogin: 'login-file' };
  return host;
};

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
    prepare: async (page) => {
      await page.getByText('training-runs').first().waitFor();
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
    prepare: async (page) => {
      await page.getByRole('tab', { name: 'Activity' }).click();
      await page.getByText('RENAME').first().waitFor();
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
      const { page, complaints } = await browser.open(t, host(), { viewport: wide, reducedMotion: 'reduce' });
      await prepare(page);
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
