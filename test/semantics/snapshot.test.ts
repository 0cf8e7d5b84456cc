// A file that a program overwrites over NFS without rest while it is uploaded: every version that the Hub ever held equals the
// file as it was between two of the program's writes. HUBDRIVE_MODEL_SEED repeats a run.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucket, HubHosts } from '../support/hub-hosts.ts';
import { randomOf } from '../support/random.ts';

const seed = Number(process.env['HUBDRIVE_MODEL_SEED'] ?? 1);
const blockBytes = 32 * 1024;
const mostBlocks = 96;

/** The file as the program left it, after each of its calls: block numbers to the call that wrote them, 0 for zeros. */
class History {
  readonly states: (readonly number[])[] = [[]];

  get blocks(): readonly number[] {
    return this.states.at(-1) ?? [];
  }

  /** Returns the number of the call. */
  write(block: number): number {
    const call = this.states.length;
    const after = [...this.blocks];
    while (after.length < block) after.push(0);
    after[block] = call;
    this.states.push(after);
    return call;
  }

  resize(blocks: number): void {
    const after = this.blocks.slice(0, blocks);
    while (after.length < blocks) after.push(0);
    this.states.push(after);
  }

  /** The call after which the file was like this. */
  find(content: Buffer): number {
    const calls = Array.from({ length: content.length / blockBytes }, (_, block) => {
      const bytes = content.subarray(block * blockBytes, (block + 1) * blockBytes);
      const call = bytes.readUInt32LE(0);
      assert.ok(bytes.equals(blockOf(call)), `block ${block} is whole`);
      return call;
    });
    const wanted = calls.join();
    return this.states.findIndex((state) => state.join() === wanted);
  }
}

/** Not compressible, so that its upload takes a while. */
function blockOf(call: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  if (call === 0) return block;
  const random = randomOf(call);
  for (let at = 0; at < blockBytes; at += 4) block.writeUInt32LE(Math.floor(random() * 2 ** 32), at);
  block.writeUInt32LE(call, 0);
  return block;
}

test('a file that is overwritten without rest while it is uploaded is on the Hub only as it once was', async (t) => {
  const hosts = await HubHosts.open(t);
  const host = await hosts.host();
  const program = await hosts.programOn(host);
  const random = randomOf(seed);
  t.diagnostic(`seed ${seed}`);
  const history = new History();
  const file = await program.save('data', '');
  const change = async (): Promise<void> => {
    const { blocks } = history;
    const dice = random();
    if (dice < 0.03 || blocks.length > mostBlocks) {
      const kept = Math.floor((0.5 + random() / 2) * blocks.length);
      history.resize(kept);
      await program.client.setattr(file, { size: kept * blockBytes });
    } else {
      const end = blocks.length + Math.floor(random() * 3);
      const block = dice < 0.3 ? end : Math.floor(random() * blocks.length);
      await program.client.write(file, block * blockBytes, blockOf(history.write(block)));
    }
    if (random() < 0.1) await program.client.commit(file);
  };
  while (history.blocks.length < 64) await change();

  // What the Hub has after every commit that reached it.
  const found: number[] = [];
  const problems: unknown[] = [];
  const look = async (): Promise<void> => {
    const content = await hosts.hub.content.readFile(bucket, 'data');
    if (content !== null) found.push(history.find(content));
  };
  host.store.afterCommit = () => look().catch((error: unknown) => void problems.push(error));
  let changesDuringUploads = 0;
  hosts.hub.faults.add({ route: 'cas.*', latencyMs: 10 });
  const sending = { isOn: true };
  const sent = (async () => {
    while (sending.isOn) await host.flush();
    await host.flush();
  })();
  while (found.length < 16) {
    if (host.store.inFlight > 0) changesDuringUploads += 1;
    await change();
  }
  sending.isOn = false;
  await sent;
  assert.deepEqual(problems, []);
  assert.ok(changesDuringUploads > 100, `only ${changesDuringUploads} changes came during uploads`);
  assert.ok(found.length >= 16, `the Hub had ${found.length} versions`);
  assert.ok(!found.includes(-1), `after commits the Hub had the states ${found.join(', ')}`);
  const rising = found.toSorted((one, other) => one - other);
  assert.deepEqual(found, rising, 'the Hub never goes back to an older state');
  const last = await hosts.hub.content.readFile(bucket, 'data');
  assert.equal(
    history.find(last ?? Buffer.alloc(0)),
    history.states.length - 1,
    'in the end all of it is there',
  );
  assert.ok((await program.bytes('data')).equals(last ?? Buffer.alloc(0)));
});
