import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ConnectionBudget } from '../../src/hub/connection-budget.ts';
import { PlanCache, parsePlan, type ReconstructionPlan } from '../../src/hub/reconstruction.ts';
import { HubError } from '../../src/hub/remote-store.ts';
import { settle } from '../support/manual-clock.ts';

const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];

const version2 = {
  offset_into_first_range: 100,
  terms: [
    { hash: a, unpacked_length: 1000, range: { start: 2, end: 4 } },
    { hash: b, unpacked_length: 500, range: { start: 0, end: 1 } },
    { hash: a, unpacked_length: 700, range: { start: 5, end: 6 } },
  ],
  xorbs: {
    [a]: [
      {
        url: 'http://cas.test/x?sig=1',
        ranges: [{ chunks: { start: 2, end: 6 }, bytes: { start: 50, end: 99 } }],
      },
    ],
    [b]: [
      {
        url: 'http://cas.test/y?sig=2',
        ranges: [{ chunks: { start: 0, end: 1 }, bytes: { start: 0, end: 9 } }],
      },
    ],
  },
};

describe('reconstruction plans', () => {
  test('place each term in the file and group terms by download', () => {
    const plan = parsePlan(version2, 5000, 'Planning');
    assert.deepEqual(
      plan.terms.map((term) => [term.fileStart, term.fileEnd]),
      [
        [4900, 5900],
        [5900, 6400],
        [6400, 7100],
      ],
    );
    assert.equal(plan.fetches.length, 2);
    assert.deepEqual(
      plan.fetches.map(({ xorb, byteStart, byteEnd, terms }) => [xorb, byteStart, byteEnd, terms.length]),
      [
        [a, 50, 100, 2],
        [b, 0, 10, 1],
      ],
    );
  });

  test('of the first version mean the same', () => {
    const version1 = {
      offset_into_first_range: 100,
      terms: version2.terms,
      fetch_info: {
        [a]: [
          { range: { start: 2, end: 6 }, url: 'http://cas.test/x?sig=1', url_range: { start: 50, end: 99 } },
        ],
        [b]: [
          { range: { start: 0, end: 1 }, url: 'http://cas.test/y?sig=2', url_range: { start: 0, end: 9 } },
        ],
      },
    };
    assert.deepEqual(parsePlan(version1, 5000, 'Planning'), parsePlan(version2, 5000, 'Planning'));
  });

  test('that cannot be are refused, whatever is wrong with them', () => {
    const paths: [string, unknown][] = [
      ['offset_into_first_range', -1],
      ['offset_into_first_range', 6000],
      ['terms', {}],
      ['terms.0.hash', 'zz'],
      ['terms.0.range.end', 2],
      ['terms.0.unpacked_length', 0],
      ['terms.0.unpacked_length', 1e9],
      ['terms.1.range.end', 9],
      [`xorbs.${a}`, []],
      [`xorbs.${a}.0.url`, 'file:///etc/passwd'],
      [`xorbs.${a}.0.ranges.0.bytes.end`, 1.5],
      ['xorbs', null],
    ];
    for (const [where, value] of paths) {
      const bad = structuredClone(version2) as Record<string, unknown>;
      const keys = where.split('.');
      const last = keys.pop() as string;
      const parent = keys.reduce<Record<string, unknown>>(
        (object, key) => object[key] as Record<string, unknown>,
        bad,
      );
      parent[last] = value;
      assert.throws(() => parsePlan(bad, 5000, 'Planning'), HubError, where);
    }
  });

  test('any JSON is parsed or refused', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          parsePlan(value, 0, 'Planning');
        } catch (error) {
          assert.ok(error instanceof HubError, String(error));
        }
      }),
    );
  });
});

describe('the cache of plans', () => {
  const plan: ReconstructionPlan = { terms: [], fetches: [] };

  test('asks once for all who wait, again after a while, and forgets failures', async () => {
    let now = 0;
    let asked = 0;
    const cache = new PlanCache(() => now);
    const make = (): Promise<ReconstructionPlan> => {
      asked += 1;
      return Promise.resolve(plan);
    };
    await Promise.all([cache.get('x', make), cache.get('x', make)]);
    assert.equal(asked, 1);
    now = 31 * 60 * 1000;
    await cache.get('x', make);
    assert.equal(asked, 2);
    cache.drop('x');
    await cache.get('x', make);
    assert.equal(asked, 3);
    await assert.rejects(
      cache.get('y', () => Promise.reject(new Error('down'))),
      /down/,
    );
    await cache.get('y', make);
    assert.equal(asked, 4);
  });

  test('is bounded', async () => {
    const cache = new PlanCache(() => 0);
    let asked = 0;
    const make = (): Promise<ReconstructionPlan> => {
      asked += 1;
      return Promise.resolve(plan);
    };
    for (let i = 0; i < 600; i += 1) await cache.get(`k${i}`, make);
    await cache.get('k599', make);
    assert.equal(asked, 600);
    await cache.get('k0', make);
    assert.equal(asked, 601);
  });
});

describe('the connection budget', () => {
  interface Job {
    finish(): void;
    readonly started: () => boolean;
    readonly done: Promise<void>;
  }

  function job(budget: ConnectionBudget, priority: 'foreground' | 'prefetch', signal?: AbortSignal): Job {
    let started = false;
    let finish: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (finish = resolve));
    const done = budget.run(priority, signal, async () => {
      started = true;
      await gate;
    });
    return { finish: () => finish(), started: () => started, done };
  }

  test('keeps places for the foreground, which also goes first', async () => {
    const budget = new ConnectionBudget(3, 1);
    const jobs = [job(budget, 'prefetch'), job(budget, 'prefetch'), job(budget, 'prefetch')];
    await settle();
    assert.deepEqual(
      jobs.map((each) => each.started()),
      [true, true, false],
    );
    const foreground = [job(budget, 'foreground'), job(budget, 'foreground')];
    await settle();
    assert.deepEqual(
      foreground.map((each) => each.started()),
      [true, false],
    );
    jobs[0]?.finish();
    await settle();
    assert.equal(foreground[1]?.started(), true);
    assert.equal(jobs[2]?.started(), false);
    for (const each of [...jobs, ...foreground]) each.finish();
    await Promise.all([...jobs, ...foreground].map((each) => each.done));
    assert.equal(budget.waiting, 0);
  });

  test('an aborted wait leaves the queue', async () => {
    const budget = new ConnectionBudget(1, 0);
    const first = job(budget, 'foreground');
    const stop = new AbortController();
    const second = job(budget, 'foreground', stop.signal);
    const third = job(budget, 'prefetch');
    await settle();
    stop.abort();
    await assert.rejects(second.done, (error) => error instanceof HubError && error.code === 'aborted');
    assert.equal(budget.waiting, 1);
    first.finish();
    await settle();
    assert.equal(third.started(), true);
    third.finish();
    await third.done;
  });
});
