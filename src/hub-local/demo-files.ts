// The bytes of the demo: made by rule, the same on every machine, so that hashes can be compared. No I/O.

/** 32-bit xorshift: fast, and good enough to look like incompressible data. */
export function randomBytes(seed: number, sizeBytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  let state = seed | 1;
  for (let index = 0; index < words.length; index++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return new Uint8Array(words.buffer, 0, sizeBytes);
}

/** A valid safetensors file: header length, JSON header padded to 8 bytes, then the float data of all tensors. */
export function safetensors(tensors: Readonly<Record<string, readonly number[]>>, scale: number): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const [name, shape] of Object.entries(tensors)) {
    const bytes = 4 * shape.reduce((product, side) => product * side, 1);
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes] };
    offset += bytes;
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const data = new Float32Array(offset / 4);
  const noise = new Uint32Array(randomBytes(7, offset).buffer);
  data.forEach((_value, index) => {
    data[index] = scale * (((noise[index] ?? 0) >>> 20) / 2048 - 1);
  });
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.byteLength));
  return Buffer.concat([length, head, new Uint8Array(data.buffer)]);
}

export function table(rows: number): string {
  const lines = ['id,step,loss,learning_rate,note'];
  for (let row = 0; row < rows; row++) {
    const loss = (4 / Math.sqrt(row + 1)).toFixed(5);
    lines.push(`${row},${row * 10},${loss},${(1e-3 * (1 - row / rows)).toExponential(3)},row ${row % 17}`);
  }
  return `${lines.join('\n')}\n`;
}

export function logText(run: number): string {
  let text = '';
  for (let line = 0; line < 40; line++) {
    text += `2026-01-${String(run + 1).padStart(2, '0')} 10:${String(line).padStart(2, '0')}:00 step=${line * 50} ok\n`;
  }
  return text;
}

const readme = `# Demo project

This bucket lives in the Hub that is built into Hubdrive. Open it like any folder, change what you like:
everything stays on this machine.

- \`models/\` a small safetensors file
- \`data/\` tables and binary data
- \`logs/\` many small files
- \`odd names/\` names that trip programs up
`;

const script = `import json
import pathlib


def main() -> None:
    config = json.loads(pathlib.Path("config.json").read_text())
    print("training", config["name"], "for", config["epochs"], "epochs")


if __name__ == "__main__":
    main()
`;

export interface DemoFile {
  readonly path: string;
  readonly data: Uint8Array | string;
}

const shapes = { 'embedding.weight': [256, 512], 'layer.0.weight': [512, 512], 'layer.0.bias': [512] };

export function demoBucketFiles(): DemoFile[] {
  return [
    { path: 'README.md', data: readme },
    { path: 'config.json', data: `${JSON.stringify({ name: 'tiny', epochs: 3, seed: 42 }, null, 2)}\n` },
    { path: 'src/train.py', data: script },
    { path: 'src/utils/__init__.py', data: '' },
    { path: 'src/utils/io.py', data: 'def read(path):\n    return open(path).read()\n' },
    { path: 'data/metrics.csv', data: table(5000) },
    { path: 'data/samples.bin', data: randomBytes(1, 3_000_000) },
    { path: 'data/raw/2026/01/part-000.bin', data: randomBytes(2, 700_001) },
    { path: 'data/raw/2026/01/part-001.bin', data: randomBytes(3, 8192) },
    { path: 'models/tiny.safetensors', data: safetensors(shapes, 0.02) },
    { path: 'notes/a/b/c/d/deep.txt', data: 'Five folders down.\n' },
    { path: 'odd names/with space.txt', data: 'space\n' },
    { path: 'odd names/hash#tag.txt', data: 'hash\n' },
    { path: 'odd names/100% sure?.txt', data: 'percent and question mark\n' },
    { path: 'odd names/party 🎉.txt', data: 'emoji\n' },
    { path: 'odd names/cafe\u0301 (NFD).txt', data: 'decomposed accent\n' },
    { path: 'odd names/café (NFC).txt', data: 'composed accent\n' },
    { path: 'odd names/it\'s & "quoted".txt', data: 'quotes\n' },
    { path: 'odd names/empty.txt', data: '' },
    ...Array.from({ length: 30 }, (_unused, run) => ({
      path: `logs/run-${String(run).padStart(3, '0')}.log`,
      data: logText(run),
    })),
  ];
}

function card(title: string, version: number): string {
  return `---\nlicense: apache-2.0\n---\n# ${title}\n\nVersion ${version}.\n`;
}

/** Files of the demo model at its first (1) or second (2) version. */
export function demoModelFiles(version: number): DemoFile[] {
  return [
    { path: 'README.md', data: card('Tiny model', version) },
    { path: 'config.json', data: `${JSON.stringify({ hidden_size: 512, version }, null, 2)}\n` },
    { path: 'model.safetensors', data: safetensors(shapes, 0.02 * version) },
    {
      path: 'tokenizer/vocab.txt',
      data: Array.from({ length: 2000 }, (_unused, id) => `token${id}\n`).join(''),
    },
  ];
}

export function demoDatasetFiles(version: number): DemoFile[] {
  return [
    { path: 'README.md', data: card('Tiny dataset', version) },
    { path: 'data/train.csv', data: table(1000 * version) },
    { path: 'data/images/pack.bin', data: randomBytes(10 + version, 400_000) },
  ];
}
