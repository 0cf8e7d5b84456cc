// Who am I, public profiles of users and organisations, and what they own.

import { objectId } from './accounts.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { Refusal } from './refusal.ts';

export function addAccountRoutes(hub: HubContext): void {
  const { router } = hub;
  router.add('account.whoami', 'GET', '/api/whoami-v2', (exchange) => sendWhoami(hub, exchange));
  router.add('account.user', 'GET', '/api/users/:name/overview', (exchange) =>
    sendOverview(hub, exchange, 'user'),
  );
  router.add('account.org', 'GET', '/api/organizations/:name/overview', (exchange) =>
    sendOverview(hub, exchange, 'org'),
  );
}

async function sendWhoami(hub: HubContext, exchange: Exchange): Promise<void> {
  const caller = hub.accounts.requireLogin(exchange);
  await exchange.sendJson(200, {
    type: 'user',
    id: objectId(`user ${caller.name}`),
    name: caller.name,
    fullname: caller.name,
    email: `${caller.name}@localhost`,
    emailVerified: true,
    canPay: false,
    isPro: false,
    periodEnd: null,
    avatarUrl: `${exchange.base}/avatars/${caller.name}.svg`,
    orgs: hub.accounts.organisationsOf(caller.name).map((name) => ({
      type: 'org',
      id: objectId(`org ${name}`),
      name,
      fullname: name,
      canPay: false,
      isEnterprise: false,
      avatarUrl: `${exchange.base}/avatars/${name}.svg`,
      roleInOrg: 'write',
    })),
    auth: {
      type: 'access_token',
      accessToken: { displayName: 'embedded hub', role: 'write', createdAt: new Date(0).toISOString() },
    },
  });
}

async function sendOverview(hub: HubContext, exchange: Exchange, type: 'user' | 'org'): Promise<void> {
  const name = exchange.param('name');
  if (!hub.accounts.exists(name)) throw new Refusal(404, `This ${type} does not exist: ${name}`);
  await exchange.sendJson(200, {
    _id: objectId(`${type} ${name}`),
    type,
    [type === 'user' ? 'user' : 'name']: name,
    fullname: name,
    avatarUrl: `${exchange.base}/avatars/${name}.svg`,
    isPro: false,
    numModels: 0,
    numDatasets: 0,
    numSpaces: 0,
  });
}
