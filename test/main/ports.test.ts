import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  choosePort,
  isPortFree,
  parsePortRange,
  readEphemeralRange,
  usablePorts,
} from '../../src/main/system/ports.ts';
import { HostError } from '../../src/main/problem.ts';

test('ports are never drawn from the range the system gives out, whatever it is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1024, max: 65_000 }),
      fc.integer({ min: 1, max: 60_000 }),
      (first, size) => {
        const ephemeral = { first, last: Math.min(65_535, first + size) };
        const { first: from, last: to } = usablePorts(ephemeral);
        fc.pre(to - from > 0);
        assert.ok(to < ephemeral.first || from > ephemeral.last, `${from}-${to}`);
        assert.ok(from >= 1025 && to <= 65_535);
      },
    ),
  );
});

test('the usual range of Linux leaves ours below it', () => {
  assert.deepEqual(usablePorts({ first: 32_768, last: 60_999 }), { first: 20_000, last: 32_000 });
  assert.deepEqual(usablePorts({ first: 49_152, last: 65_535 }), { first: 20_000, last: 32_000 });
});

test('the range is read from the system on Linux and known elsewhere', async () => {
  assert.deepEqual(parsePortRange('32768\t60999\n'), { first: 32_768, last: 60_999 });
  assert.equal(parsePortRange('nonsense'), null);
  assert.deepEqual(await readEphemeralRange('darwin'), { first: 49_152, last: 65_535 });
  const own = await readEphemeralRange(process.platform);
  assert.ok(own.first < own.last);
});

test('a port that is taken, by us or by another program, is passed over', async () => {
  const draws = [21_000, 21_001, 21_002];
  const port = await choosePort({
    host: '127.0.0.1',
    taken: new Set([21_000]),
    ephemeral: { first: 32_768, last: 60_999 },
    isFree: (_host, candidate) => Promise.resolve(candidate !== 21_001),
    random: () => draws.shift() ?? 0,
  });
  assert.equal(port, 21_002);
});

test('where nothing is free the error says so', async () => {
  const options = { host: '127.0.0.1', taken: new Set<number>(), ephemeral: { first: 32_768, last: 60_999 } };
  await assert.rejects(choosePort({ ...options, isFree: () => Promise.resolve(false) }), HostError);
});

test('a port in use is seen as taken and a closed one as free', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  assert.equal(await isPortFree('127.0.0.1', port), false);
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await isPortFree('127.0.0.1', port), true);
});
