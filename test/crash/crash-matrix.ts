// Runs scenarios of the crash matrix: first unharmed, to learn which steps each passes and how often, then once for every step
// with the engine killed there, started again on the same directory, and judged. Used by the crash tests.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { CrashWorld, Killed } from './crash-world.ts';
import type { Scenario } from './scenarios.ts';

interface Cell {
  readonly step: string;
  readonly occurrence: number;
}

/** Steps that belong to no operation: they come with time. */
const byTheWay = /^disk:cache-/;

export class CrashMatrix {
  readonly #world: CrashWorld;
  #cases = 0;
  kills = 0;

  private constructor(world: CrashWorld) {
    this.#world = world;
  }

  static async open(t: TestContext): Promise<CrashMatrix> {
    const world = await CrashWorld.open();
    t.after(() => world.dispose());
    return new CrashMatrix(world);
  }

  /** Adds one line per step to the test's output. */
  async run(t: TestContext, scenario: Scenario, mostOccurrences: number): Promise<void> {
    const steps = await this.#survey(scenario);
    const lines: string[] = [];
    for (const [step, count] of [...steps].sort()) {
      const occurrences = occurrencesOf(count, mostOccurrences);
      const reached: number[] = [];
      for (const occurrence of occurrences) {
        if (await this.#killAt(scenario, { step, occurrence })) reached.push(occurrence);
      }
      lines.push(`  ${step.padEnd(26)} passed ${count} times, killed at ${reached.join(', ') || 'none'}`);
      assert.ok(reached.length > 0 || byTheWay.test(step), `"${scenario.name}" was killed at "${step}"`);
    }
    t.diagnostic(`${scenario.name}:\n${lines.join('\n')}`);
  }

  async #survey(scenario: Scenario): Promise<ReadonlyMap<string, number>> {
    const { folder, seed } = await this.#prepare(scenario);
    await this.#world.survey();
    await scenario.act(this.#world, folder, seed);
    await this.#world.settle();
    const steps = await this.#world.survey();
    await this.#finish(folder);
    return steps;
  }

  /** Whether the engine died there; a step that depends on timing may not come again. */
  async #killAt(scenario: Scenario, { step, occurrence }: Cell): Promise<boolean> {
    const world = this.#world;
    const { folder, seed } = await this.#prepare(scenario);
    try {
      await world.arm(step, occurrence);
      let isKilled = false;
      try {
        await scenario.act(world, folder, seed);
        await world.settle();
        await world.arm(null);
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        isKilled = true;
      }
      if (isKilled) {
        this.kills += 1;
        await world.recover(folder);
      }
      await this.#finish(folder);
      return isKilled;
    } catch (cause) {
      throw new Error(`${scenario.name}, killed at "${step}" for the ${occurrence}. time`, { cause });
    }
  }

  async #prepare(scenario: Scenario): Promise<{ folder: string; seed: number }> {
    const count = this.#cases++;
    const folder = `case ${count}`;
    const seed = 1 + count * 20;
    await this.#world.mkdir(folder);
    await scenario.prepare(this.#world, folder, seed);
    await this.#world.settle();
    return { folder, seed };
  }

  async #finish(folder: string): Promise<void> {
    const world = this.#world;
    await world.flush();
    await world.settle();
    await world.checkMount(folder);
    await world.checkHub();
    world.checkNoLeftovers();
  }

  /** Everything that was ever done, once more over a clean restart. */
  async close(): Promise<void> {
    const world = this.#world;
    await world.client.close();
    await world.engine.close();
    await world.restart();
    for (const folder of world.ledger.names.folders.keys()) {
      if (!folder.includes('/')) await world.checkMount(folder);
    }
    await world.checkHub();
    assert.deepEqual(
      (await world.events()).filter(({ kind }) => kind === 'CONFLICT'),
      [],
    );
  }
}

/** The first, the last, and some between. */
function occurrencesOf(count: number, most: number): readonly number[] {
  if (count <= most) return Array.from({ length: count }, (_, index) => index + 1);
  return Array.from(
    { length: most },
    (_, index) => 1 + Math.round((index * (count - 1)) / Math.max(1, most - 1)),
  );
}
