// What the mount controller asks of a system's mounting, and the errors of it. One driver per system (os-mount-linux.ts, os-mount-darwin.ts);
// `serverOnlyDriver` is the one that mounts nothing.

import type { BusyProgram } from '../../shared/model.ts';
import type { MountTableEntry } from './mount-table.ts';

export interface OsMountRequest {
  readonly host: string;
  readonly port: number;
  readonly exportPath: string;
  readonly mountPoint: string;
  readonly readOnly: boolean;
}

export type UnmountOutcome =
  | { readonly type: 'gone' }
  | { readonly type: 'busy'; readonly programs: readonly BusyProgram[]; readonly detail: string };

/** An administrator's own entry for the mount point fixes port and export path. */
export interface PresetMount {
  readonly port: number;
  readonly exportPath: string;
}

/** No method touches the mount point itself except in killable children. Methods reject with `HostError`. */
export interface OsMountDriver {
  readonly mountsForReal: boolean;
  /** An already-allowed entry for `mountPoint` (Linux fstab), null otherwise. */
  preset(mountPoint: string): Promise<PresetMount | null>;
  /** Resolves once the table of mounts shows it. `not-permitted`, `unsupported`, `cancelled`, `timeout` or `mount-point` otherwise. */
  mount(request: OsMountRequest, signal: AbortSignal): Promise<void>;
  /** Plain first; with `force` also the harder ways. Asks the table afterwards, not the command's word. */
  unmount(
    mountPoint: string,
    exportPath: string,
    force: boolean,
    signal: AbortSignal,
  ): Promise<UnmountOutcome>;
  table(): Promise<readonly MountTableEntry[]>;
  /** Hands dirty pages of the kernel to the server, as far as that is done before the deadline. */
  syncMount(mountPoint: string, signal: AbortSignal): Promise<void>;
  /** For `doctor`: which ways to mount exist for this user, best first, and what is missing. */
  describeWays(): Promise<
    readonly { readonly name: string; readonly available: boolean; readonly detail: string }[]
  >;
}

export const serverOnlyDriver: OsMountDriver = {
  mountsForReal: false,
  preset: () => Promise.resolve(null),
  mount: () => Promise.resolve(),
  unmount: () => Promise.resolve({ type: 'gone' }),
  table: () => Promise.resolve([]),
  syncMount: () => Promise.resolve(),
  describeWays: () => Promise.resolve([]),
};
