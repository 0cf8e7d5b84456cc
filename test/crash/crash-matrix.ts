// Runs scenarios of the crash matrix: first unharmed, to learn which steps each passes and how often, then once for every step
// with the engine killed there, started again on the same directory, and judged. Used by the crash tests.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { CrashWorld, Killed } from './crash-world.ts';
import type { KillPoint } from './engine-protocol.ts';
import { checkNoLeftovers } from './leftovers.ts';
import type { Scenario } from './scenarios.ts';

/** Killed at more than one of their occurrences: what they do differs from one to the next. */
const manyFaced = /^(catalogue:commit|catalogue:committed|hub:batch-asked|hub:batch-answered)$/;
/** Steps that belong to no operation: they come with time. */
const byTheWay = /^disk:cache-/;

interface Case {
  readonly scenario: Scenario;
  readonly folder: string;
  readonly seed: number;
}

export class CrashMatrix {
  readonly world: CrashWorld;
  /** Occurrences of the same step at which the engine is killed. */
  readonly #most: number;
  #cases = 0;
  kills = 0;

  private constructor(world: CrashWorld, most: number) {
    this.world = world;
    this.#most = most;
  }

  static async open(t: TestContext): Promise<CrashMatrix> {
    const world = await CrashWorld.open();
    t.after(() => world.dispose());
    return new CrashMatrix(world, Number(process.env['HUBDRIVE_CRASH_OCCURRENCES'] ?? 2));
  }

  /** Adds one line per step to the test's output. */
  async run(t: TestContext, scenario: Scenario): Promise<void> {
    const steps = await this.survey(scenario);
    const lines: string[] = [];
    for (const [step, count] of [...steps].sort()) {
      const reached: number[] = [];
      for (const occurrence of this.#occurrences(step, count)) {
        if (await this.killAt(scenario, { step, occurrence })) reached.push(occurrence);
      }
      lines.push(`  ${step.padEnd(26)} passed ${count} times, killed at ${reached.join(', ') || 'none'}`);
      assert.ok(reached.length > 0 || byTheWay.test(step), `"${scenario.name}" was killed at "${step}"`);
    }
    t.diagnostic(`${scenario.name}:\n${lines.join('\n')}`);
  }

  /** How often the scenario passes each step when nothing happens to it. */
  async survey(scenario: Scenario): Promise<ReadonlyMap<string, number>> {
    const run = await this.#prepare(scenario);
    await this.world.survey();
    await scenario.act(this.world, run.folder, run.seed);
    await this.world.settle();
    const steps = await this.world.survey();
    await this.#judge(run);
    return steps;
  }

  /** Whether the engine died there; a step that depends on timing may not come again. */
  async killAt(scenario: Scenario, killAt: KillPoint): Promise<boolean> {
    const run = await this.#prepare(scenario);
    try {
      const isKilled = await this.#isKilled(run, killAt);
      await this.#judge(run);
      return isKilled;
    } catch (cause) {
      throw new Error(`${scenario.name}, killed at "${killAt.step}" for the ${killAt.occurrence}. time`, {
        cause,
      });
    }
  }

  async #isKilled({ scenario, folder, seed }: Case, killAt: KillPoint): Promise<boolean> {
    const { world } = this;
    await world.arm(killAt);
    try {
      await scenario.act(world, folder, seed);
      await world.settle();
      await world.arm(null);
      return false;
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      this.kills += 1;
      await world.recover();
      return true;
    }
  }

  async #prepare(scenario: Scenario): Promise<Case> {
    const count = this.#cases++;
    const folder = `case ${count}`;
    const seed = 1 + count * 20;
    await this.world.mkdir(folder);
    await scenario.prepare(this.world, folder, seed);
    await this.world.settle();
    return { scenario, folder, seed };
  }

  async #judge({ scenario, folder, seed }: Case): Promise<void> {
    const { world } = this;
    if (scenario.judge !== undefined) await scenario.judge(world, folder, seed);
    else {
      await world.checkMount(folder);
      await world.flush();
      await world.checkMount(folder);
    }
    await world.settle();
    await world.checkHub();
    await checkNoLeftovers(world);
  }

  /** Everything that was ever done, once more over a clean restart. */
  async finish(): Promise<void> {
    const { world } = this;
    await world.client.close();
    await world.engine.close();
    await world.restart();
    for (const folder of world.ledger.names.folders.keys()) {
      if (!folder.includes('/')) await world.checkMount(folder);
    }
    await world.checkHub();
  }

  #occurrences(step: string, count: number): readonly number[] {
    if (!manyFaced.test(step) && this.#most <= 2) return [Math.ceil(count / 2)];
    const most = this.#most;
    if (count <= most) return Array.from({ length: count }, (_, index) => index + 1);
    return Array.from({ length: most }, (_, index) => 1 + Math.round((index * (count - 1)) / (most - 1)));
  }
}
