// Former names of repos and buckets, so that requests for them can be redirected as the Hub does.

import type { HubDatabase } from './database.ts';
import type { Exchange } from './exchange.ts';
import type { HubContext } from './hub-context.ts';
import { Refusal } from './refusal.ts';

export class Renames {
  readonly #db: HubDatabase;

  constructor(db: HubDatabase) {
    this.#db = db;
  }

  /** `type`: `bucket` or a repo type. `target`: the new `OWNER/NAME`. */
  note(type: string, namespace: string, name: string, target: string): void {
    this.#db.prepare('INSERT OR REPLACE INTO renames VALUES (?, ?, ?, ?)').run(type, namespace, name, target);
    const [toNamespace = '', toName = ''] = target.split('/');
    this.#db
      .prepare('DELETE FROM renames WHERE type = ? AND namespace = ? AND name = ?')
      .run(type, toNamespace, toName);
    this.#db
      .prepare('UPDATE renames SET target = ? WHERE type = ? AND target = ?')
      .run(target, type, `${namespace}/${name}`);
  }

  /** The present name of what was once called so, or null. */
  target(type: string, namespace: string, name: string): string | null {
    const row = this.#db
      .prepare('SELECT target FROM renames WHERE type = ? AND namespace = ? AND name = ?')
      .get(type, namespace, name);
    return row === null ? null : row.text('target');
  }
}

/** Throws a 307 to the same place under the present name; returns if the name was never used. */
export function redirectIfRenamed(hub: HubContext, exchange: Exchange, type: string): void {
  const [namespace, name] = [exchange.param('namespace'), exchange.param('name')];
  const target = hub.renames.target(type, namespace, name);
  if (target === null) return;
  const query = exchange.query.toString();
  const location = exchange.pathname.replace(`/${namespace}/${name}`, `/${target}`);
  throw new Refusal(307, `Moved to ${target}`, {
    headers: { Location: query === '' ? location : `${location}?${query}` },
  });
}
