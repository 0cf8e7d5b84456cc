// The MOUNT protocol version 3 in the spelling of RFC 1813 section 5.

import { NFS3_FHSIZE } from './nfs3-schema.ts';
import { array, list, nothing, opaque, result, struct, uint32 } from './xdr-schema.ts';

export const MOUNT_PROGRAM = 100005;
export const MOUNT_V3 = 3;
export const MNTPATHLEN = 1024;
const MNTNAMLEN = 255;

export const mountstat3 = { MNT3_OK: 0, MNT3ERR_ACCES: 13 } as const;

export const dirpath = opaque(MNTPATHLEN);
const fhandle3 = opaque(NFS3_FHSIZE);
const mountres3 = result(struct({ fhandle: fhandle3, auth_flavors: array(uint32, 16) }), nothing);
const mountbody = struct({ ml_hostname: opaque(MNTNAMLEN), ml_directory: dirpath });
const exportnode = struct({ ex_dir: dirpath, ex_groups: list(opaque(MNTNAMLEN), 1000) });

export const mount3Procedures = {
  NULL: { number: 0, args: nothing, res: nothing },
  MNT: { number: 1, args: struct({ dirpath }), res: mountres3 },
  DUMP: { number: 2, args: nothing, res: list(mountbody, 1000) },
  UMNT: { number: 3, args: struct({ dirpath }), res: nothing },
  UMNTALL: { number: 4, args: nothing, res: nothing },
  EXPORT: { number: 5, args: nothing, res: list(exportnode, 1000) },
};
