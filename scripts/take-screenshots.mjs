// Renews docs/screenshots: the panel's main views, light and dark, wide and narrow, as the tests see them in Chromium.
import { join } from 'node:path';
import {
  ensureDependencies,
  findNode,
  nodeEnvironment,
  nodeFlags,
  rootDir,
  runOrExit,
} from './node-runtime.mjs';

ensureDependencies();
const env = { ...nodeEnvironment, HUBDRIVE_SCREENSHOTS: join(rootDir, 'docs', 'screenshots') };
runOrExit(findNode(), [...nodeFlags, '--test', 'test/panel/screenshots.test.ts'], { env });
