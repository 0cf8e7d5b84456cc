// What the list of the picker is asked for. Pure: from what stands in the search field to what the host is asked.

import type { BrowseArgument } from '../../shared/contract.ts';
import type { SourceKind } from '../../shared/model.ts';

export interface PickerQuery {
  readonly kind: SourceKind;
  readonly scope: 'mine' | 'everywhere';
  readonly search: string;
}

export const firstQuery: PickerQuery = { kind: 'bucket', scope: 'mine', search: '' };

/** `OWNER/` looks at one owner. Null where the Hub could not answer: it lists Buckets only by owner. */
export function browseArgument(query: PickerQuery): BrowseArgument | null {
  const text = query.search.trim();
  const slash = text.indexOf('/');
  const owner = slash > 0 ? text.slice(0, slash) : null;
  const rest = owner === null ? text : text.slice(slash + 1);
  const search = rest === '' ? null : rest;
  if (query.kind === 'bucket' && query.scope === 'everywhere' && owner === null) return null;
  const scope = owner === null ? query.scope : 'everywhere';
  return { kind: query.kind, scope, owner, search, cursor: null };
}
