// The fault switches and counters over HTTP, for other processes (kernel tests, benchmarks): `/__hubdrive/faults` and
// `/__hubdrive/counters`, with the token of the Hub's owner only.

import { timingSafeEqual } from 'node:crypto';
import { asObject } from './json-object.ts';
import type { Exchange } from './exchange.ts';
import type { FaultRule, HubSettings } from './faults.ts';
import type { HubContext } from './hub-context.ts';
import { badRequest, Refusal } from './refusal.ts';

const bodyLimitBytes = 1024 * 1024;

const numberFields = [
  'count',
  'skip',
  'latencyMs',
  'bytesPerSecond',
  'status',
  'retryAfterSeconds',
  'atByte',
  'dropUploadAtByte',
  'truncateAtByte',
  'stallAtByte',
  'corruptAtByte',
] as const;
const textFields = ['errorCode', 'message'] as const;
const dropKinds = ['before-handling', 'before-headers', 'mid-body'] as const;

/**
 * `POST /__hubdrive/faults` takes `{add?: FaultRule[], remove?: number[], clear?: true, settings?: Partial<HubSettings>,
 * expireUrls?: true, expireTokens?: true, cutEvents?: true | 'reconnect'}` and answers `{added: number[]}`. GET shows all that is set.
 */
export function addFaultRoutes(hub: HubContext): void {
  const { router, faults } = hub;
  router.add('admin.faults', 'POST', '/__hubdrive/faults', (exchange) => changeFaults(hub, exchange));
  router.add('admin.faults', 'GET', '/__hubdrive/faults', async (exchange) => {
    requireOwner(hub, exchange);
    await exchange.sendJson(200, { rules: faults.rules(), settings: faults.settings });
  });
  router.add('admin.faults', 'DELETE', '/__hubdrive/faults', async (exchange) => {
    requireOwner(hub, exchange);
    faults.clear();
    await exchange.sendEmpty(204);
  });
  router.add('admin.counters', 'GET', '/__hubdrive/counters', async (exchange) => {
    requireOwner(hub, exchange);
    await exchange.sendJson(200, faults.counters());
  });
  router.add('admin.counters', 'DELETE', '/__hubdrive/counters', async (exchange) => {
    requireOwner(hub, exchange);
    faults.resetCounters();
    await exchange.sendEmpty(204);
  });
}

async function changeFaults(hub: HubContext, exchange: Exchange): Promise<void> {
  requireOwner(hub, exchange);
  const { faults } = hub;
  const order = asObject(await exchange.readJson(bodyLimitBytes));
  const rules = asList(order['add']).map(readRule);
  if (order['clear'] === true) faults.clear();
  for (const id of asList(order['remove'])) if (typeof id === 'number') faults.remove(id);
  if (order['settings'] !== undefined) applySettings(faults.settings, asObject(order['settings']));
  if (order['expireUrls'] === true) faults.expireUrls();
  if (order['expireTokens'] === true) faults.expireTokens();
  if (order['cutEvents'] === true) faults.cutEvents();
  if (order['cutEvents'] === 'reconnect') faults.cutEvents(true);
  await exchange.sendJson(200, { added: rules.map((rule) => faults.add(rule)) });
}

function requireOwner(hub: HubContext, exchange: Exchange): void {
  const given = Buffer.from(exchange.header('authorization') ?? '');
  const expected = Buffer.from(`Bearer ${hub.accounts.token}`);
  if (given.byteLength !== expected.byteLength || !timingSafeEqual(given, expected)) {
    throw new Refusal(401, 'Only the token that the embedded Hub printed at its start may do this');
  }
}

function asList(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw badRequest('Expected a list');
  return value;
}

function readRule(value: unknown): FaultRule {
  const fields = asObject(value);
  const { route, drop } = fields;
  if (typeof route !== 'string' || route === '') throw badRequest('A fault rule needs a route');
  const rule: Record<string, unknown> = { route };
  const known = new Set<string>(['route', 'drop', ...numberFields, ...textFields]);
  for (const name of Object.keys(fields)) {
    if (!known.has(name)) throw badRequest(`A fault rule has no field "${name}"`);
  }
  for (const name of numberFields) {
    if (fields[name] === undefined) continue;
    if (typeof fields[name] !== 'number' || fields[name] < 0)
      throw badRequest(`${name} must be a number from 0`);
    rule[name] = fields[name];
  }
  for (const name of textFields) if (typeof fields[name] === 'string') rule[name] = fields[name];
  if (drop !== undefined) {
    const kind = dropKinds.find((name) => name === drop);
    if (kind === undefined) throw badRequest(`drop must be one of ${dropKinds.join(', ')}`);
    rule['drop'] = kind;
  }
  return { ...rule, route };
}

/** Takes over the known fields whose type fits. */
function applySettings(settings: HubSettings, changes: Readonly<Record<string, unknown>>): void {
  const target: Record<string, unknown> = { ...settings };
  for (const [name, value] of Object.entries(changes)) {
    if (!(name in target) || typeof target[name] !== typeof value)
      throw badRequest(`No such setting: ${name}`);
    target[name] = name === 'quota' ? { ...settings.quota, ...asObject(value) } : value;
  }
  Object.assign(settings, target);
}
