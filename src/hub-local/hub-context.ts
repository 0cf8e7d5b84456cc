// What every group of routes is given. Composition happens in `local-hub.ts`.

import type { Accounts, Caller } from './accounts.ts';
import type { CopySource } from './bucket-batch.ts';
import type { BucketEvents } from './bucket-events.ts';
import type { BucketStore } from './bucket-store.ts';
import type { CasStore } from './cas-store.ts';
import type { FaultSwitches } from './faults.ts';
import type { HubClock } from './hub-clock.ts';
import type { Handler } from './http-server.ts';
import type { Renames } from './renames.ts';
import type { RepoStore } from './repo-store.ts';
import type { Router } from './router.ts';
import type { Signer } from './signing.ts';

export interface HubContext {
  readonly router: Router<Handler>;
  readonly clock: HubClock;
  readonly signer: Signer;
  readonly accounts: Accounts;
  readonly faults: FaultSwitches;
  readonly cas: CasStore;
  readonly buckets: BucketStore;
  readonly events: BucketEvents;
  readonly repos: RepoStore;
  readonly renames: Renames;
  /** Null if `caller` may copy this content from there, else why not. */
  readonly refuseCopy: (caller: Caller, source: CopySource) => string | null;
}
