// Makes every icon of the app from the two drawings in assets/source: app icons for Linux and macOS, and the tray's shapes for each kind
// of bar. Run it after changing a drawing (`node scripts/make-assets.ts`); a test compares its output with the files in the tree.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initWasm, Resvg } from '@resvg/resvg-wasm';
import { trayIconNames } from '../src/main/tray/tray-icon.ts';

const rootDir = fileURLToPath(new URL('..', import.meta.url));
const sourceDir = join(rootDir, 'assets', 'source');

/** Points; macOS gives menu bar images at most this height. */
const traySize = 22;
const appIconSizes = [16, 32, 48, 64, 128, 256, 512, 1024];

/** Bars of the system in the colour of their text. macOS colours template images itself and wants black. */
const trayColors: Readonly<Record<string, string>> = {
  Template: '#000000',
  '-on-light': '#2b2b2b',
  '-on-dark': '#f2f2f2',
};

/** Apple's icon types that hold a PNG, with its edge in pixels. */
const icnsTypes: readonly (readonly [type: string, size: number])[] = [
  ['icp4', 16],
  ['icp5', 32],
  ['ic11', 32],
  ['ic12', 64],
  ['ic07', 128],
  ['ic13', 256],
  ['ic08', 256],
  ['ic14', 512],
  ['ic09', 512],
  ['ic10', 1024],
];

/** Path below the project → content. */
export async function makeAssets(): Promise<ReadonlyMap<string, Buffer>> {
  await startRenderer();
  const appSvg = await readFile(join(sourceDir, 'icon.svg'), 'utf8');
  const traySvg = await readFile(join(sourceDir, 'tray.svg'), 'utf8');
  const assets = new Map<string, Buffer>();
  const appIcons = new Map(appIconSizes.map((size) => [size, renderPng(appSvg, size)]));
  for (const [size, png] of appIcons) assets.set(`assets/icons/${size}x${size}.png`, png);
  assets.set('assets/icon.icns', packIcns(appIcons));
  for (const name of trayIconNames) {
    for (const [suffix, color] of Object.entries(trayColors)) {
      const svg = onlyGroup(traySvg, name).replaceAll('currentColor', color);
      assets.set(`assets/tray/${name}${suffix}.png`, renderPng(svg, traySize));
      assets.set(`assets/tray/${name}${suffix}@2x.png`, renderPng(svg, traySize * 2));
    }
  }
  return assets;
}

let started: Promise<void> | null = null;

function startRenderer(): Promise<void> {
  const wasmPath = createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm');
  started ??= readFile(wasmPath).then((wasm) => initWasm(wasm));
  return started;
}

function renderPng(svg: string, size: number): Buffer {
  return Buffer.from(new Resvg(svg, { fitTo: { mode: 'width', value: size } }).render().asPng());
}

/** The drawing with one of its top groups alone. */
function onlyGroup(svg: string, id: string): string {
  const group = new RegExp(`<g id="${id}"[\\s\\S]*?</g>`).exec(svg)?.[0];
  const head = /<svg[^>]*>/.exec(svg)?.[0];
  if (group === undefined || head === undefined) throw new Error(`tray.svg has no group "${id}"`);
  return `${head}${group}</svg>`;
}

/** Apple icon image: "icns", length, then entries of type, length, PNG; all big-endian. */
function packIcns(icons: ReadonlyMap<number, Buffer>): Buffer {
  const entries = icnsTypes.map(([type, size]) => {
    const png = icons.get(size);
    if (png === undefined) throw new Error(`There is no icon of ${size} pixels`);
    return Buffer.concat([Buffer.from(type, 'ascii'), lengthOf(png), png]);
  });
  const body = Buffer.concat(entries);
  return Buffer.concat([Buffer.from('icns', 'ascii'), lengthOf(body), body]);
}

/** Including the eight bytes of type and length. */
function lengthOf(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length + 8);
  return length;
}

if (import.meta.main) {
  for (const [path, content] of await makeAssets()) {
    await mkdir(dirname(join(rootDir, path)), { recursive: true });
    await writeFile(join(rootDir, path), content);
  }
}
