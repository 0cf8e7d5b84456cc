// NFS version 3 in the spelling and order of RFC 1813, to be read beside it. Arguments are decoded from here (but for the hot
// procedures, which read the same bytes by hand); results are written by hand, and tests decode them from here.

import {
  bool,
  enumeration,
  list,
  nothing,
  opaque,
  opaqueFixed,
  optional,
  result,
  struct,
  uint32,
  uint64,
  union,
  type Codec,
  type Value,
} from './xdr-schema.ts';

// 2.4 Sizes. The names' maxima are wider than what we accept, so that a name that is too long gets its own answer.
export const NFS3_FHSIZE = 64;
export const NFS3_COOKIEVERFSIZE = 8;
const NFS3_CREATEVERFSIZE = 8;
const NFS3_WRITEVERFSIZE = 8;
export const MAX_NAME_ON_WIRE = 4096;
const MAX_PATH_ON_WIRE = 8192;
/** rtmax and wtmax: what both kernels use at most. */
export const MAX_TRANSFER_BYTES = 1024 * 1024;
const MAX_LISTED_ENTRIES = 1_000_000;

export const NFS_PROGRAM = 100003;
export const NFS_V3 = 3;

// 2.5 Basic data types
export const filename3 = opaque(MAX_NAME_ON_WIRE);
const nfspath3 = opaque(MAX_PATH_ON_WIRE);
const cookieverf3 = opaqueFixed(NFS3_COOKIEVERFSIZE);
const createverf3 = opaqueFixed(NFS3_CREATEVERFSIZE);
const writeverf3 = opaqueFixed(NFS3_WRITEVERFSIZE);

// 2.6 Structured data types
export const ftype3 = {
  NF3REG: 1,
  NF3DIR: 2,
  NF3BLK: 3,
  NF3CHR: 4,
  NF3LNK: 5,
  NF3SOCK: 6,
  NF3FIFO: 7,
} as const;
const specdata3 = struct({ specdata1: uint32, specdata2: uint32 });
export const nfs_fh3 = opaque(NFS3_FHSIZE);
export const nfstime3 = struct({ seconds: uint32, nseconds: uint32 });
export const fattr3 = struct({
  type: enumeration(1, 2, 3, 4, 5, 6, 7),
  mode: uint32,
  nlink: uint32,
  uid: uint32,
  gid: uint32,
  size: uint64,
  used: uint64,
  rdev: specdata3,
  fsid: opaqueFixed(8),
  fileid: uint64,
  atime: nfstime3,
  mtime: nfstime3,
  ctime: nfstime3,
});
export const post_op_attr = optional(fattr3);
const wcc_attr = struct({ size: uint64, mtime: nfstime3, ctime: nfstime3 });
const pre_op_attr = optional(wcc_attr);
export const wcc_data = struct({ before: pre_op_attr, after: post_op_attr });
const post_op_fh3 = optional(nfs_fh3);
export const time_how = { DONT_CHANGE: 0, SET_TO_SERVER_TIME: 1, SET_TO_CLIENT_TIME: 2 } as const;
const set_time = union('set_it', { 0: nothing, 1: nothing, 2: struct({ time: nfstime3 }) });
export const sattr3 = struct({
  mode: optional(uint32),
  uid: optional(uint32),
  gid: optional(uint32),
  size: optional(uint64),
  atime: set_time,
  mtime: set_time,
});
export const diropargs3 = struct({ dir: nfs_fh3, name: filename3 });

const attributesOnly = struct({ obj_attributes: post_op_attr });

// 3.3.1 GETATTR
const GETATTR3args = struct({ object: nfs_fh3 });
const GETATTR3res = result(struct({ obj_attributes: fattr3 }), nothing);

// 3.3.2 SETATTR
export const SETATTR3args = struct({ object: nfs_fh3, new_attributes: sattr3, guard: optional(nfstime3) });
const SETATTR3res = result(struct({ obj_wcc: wcc_data }), struct({ obj_wcc: wcc_data }));

// 3.3.3 LOOKUP
const LOOKUP3args = struct({ what: diropargs3 });
const LOOKUP3res = result(
  struct({ object: nfs_fh3, obj_attributes: post_op_attr, dir_attributes: post_op_attr }),
  struct({ dir_attributes: post_op_attr }),
);

// 3.3.4 ACCESS
export const ACCESS3 = {
  READ: 0x01,
  LOOKUP: 0x02,
  MODIFY: 0x04,
  EXTEND: 0x08,
  DELETE: 0x10,
  EXECUTE: 0x20,
} as const;
const ACCESS3args = struct({ object: nfs_fh3, access: uint32 });
const ACCESS3res = result(struct({ obj_attributes: post_op_attr, access: uint32 }), attributesOnly);

// 3.3.5 READLINK
const READLINK3args = struct({ symlink: nfs_fh3 });
const READLINK3res = result(
  struct({ symlink_attributes: post_op_attr, data: nfspath3 }),
  struct({ symlink_attributes: post_op_attr }),
);

// 3.3.6 READ
const READ3args = struct({ file: nfs_fh3, offset: uint64, count: uint32 });
const READ3res = result(
  struct({ file_attributes: post_op_attr, count: uint32, eof: bool, data: opaque(MAX_TRANSFER_BYTES) }),
  struct({ file_attributes: post_op_attr }),
);

// 3.3.7 WRITE
export const stable_how = { UNSTABLE: 0, DATA_SYNC: 1, FILE_SYNC: 2 } as const;
const WRITE3args = struct({
  file: nfs_fh3,
  offset: uint64,
  count: uint32,
  stable: enumeration(0, 1, 2),
  data: opaque(MAX_TRANSFER_BYTES),
});
const WRITE3res = result(
  struct({ file_wcc: wcc_data, count: uint32, committed: enumeration(0, 1, 2), verf: writeverf3 }),
  struct({ file_wcc: wcc_data }),
);

// 3.3.8 CREATE
export const createmode3 = { UNCHECKED: 0, GUARDED: 1, EXCLUSIVE: 2 } as const;
export const createhow3 = union('mode', {
  0: struct({ obj_attributes: sattr3 }),
  1: struct({ obj_attributes: sattr3 }),
  2: struct({ verf: createverf3 }),
});
export const CREATE3args = struct({ where: diropargs3, how: createhow3 });
const CREATE3res = result(
  struct({ obj: post_op_fh3, obj_attributes: post_op_attr, dir_wcc: wcc_data }),
  struct({ dir_wcc: wcc_data }),
);

// 3.3.9 MKDIR
export const MKDIR3args = struct({ where: diropargs3, attributes: sattr3 });
const MKDIR3res = CREATE3res;

// 3.3.10 SYMLINK
const symlinkdata3 = struct({ symlink_attributes: sattr3, symlink_data: nfspath3 });
export const SYMLINK3args = struct({ where: diropargs3, symlink: symlinkdata3 });
const SYMLINK3res = CREATE3res;

// 3.3.11 MKNOD
const devicedata3 = struct({ dev_attributes: sattr3, spec: specdata3 });
const pipedata3 = struct({ pipe_attributes: sattr3 });
const mknoddata3 = union('type', {
  1: nothing,
  2: nothing,
  3: devicedata3,
  4: devicedata3,
  5: nothing,
  6: pipedata3,
  7: pipedata3,
});
export const MKNOD3args = struct({ where: diropargs3, what: mknoddata3 });
const MKNOD3res = CREATE3res;

// 3.3.12 REMOVE
export const REMOVE3args = struct({ object: diropargs3 });
const REMOVE3res = result(struct({ dir_wcc: wcc_data }), struct({ dir_wcc: wcc_data }));

// 3.3.13 RMDIR
export const RMDIR3args = struct({ object: diropargs3 });
const RMDIR3res = REMOVE3res;

// 3.3.14 RENAME
export const RENAME3args = struct({ from: diropargs3, to: diropargs3 });
const bothDirectories = struct({ fromdir_wcc: wcc_data, todir_wcc: wcc_data });
const RENAME3res = result(bothDirectories, bothDirectories);

// 3.3.15 LINK
export const LINK3args = struct({ file: nfs_fh3, link: diropargs3 });
const linked = struct({ file_attributes: post_op_attr, linkdir_wcc: wcc_data });
const LINK3res = result(linked, linked);

// 3.3.16 READDIR
const READDIR3args = struct({ dir: nfs_fh3, cookie: uint64, cookieverf: cookieverf3, count: uint32 });
const entry3 = struct({ fileid: uint64, name: filename3, cookie: uint64 });
const READDIR3res = result(
  struct({
    dir_attributes: post_op_attr,
    cookieverf: cookieverf3,
    entries: list(entry3, MAX_LISTED_ENTRIES),
    eof: bool,
  }),
  struct({ dir_attributes: post_op_attr }),
);

// 3.3.17 READDIRPLUS
const READDIRPLUS3args = struct({
  dir: nfs_fh3,
  cookie: uint64,
  cookieverf: cookieverf3,
  dircount: uint32,
  maxcount: uint32,
});
const entryplus3 = struct({
  fileid: uint64,
  name: filename3,
  cookie: uint64,
  name_attributes: post_op_attr,
  name_handle: post_op_fh3,
});
const READDIRPLUS3res = result(
  struct({
    dir_attributes: post_op_attr,
    cookieverf: cookieverf3,
    entries: list(entryplus3, MAX_LISTED_ENTRIES),
    eof: bool,
  }),
  struct({ dir_attributes: post_op_attr }),
);

// 3.3.18 FSSTAT
const FSSTAT3args = struct({ fsroot: nfs_fh3 });
const FSSTAT3res = result(
  struct({
    obj_attributes: post_op_attr,
    tbytes: uint64,
    fbytes: uint64,
    abytes: uint64,
    tfiles: uint64,
    ffiles: uint64,
    afiles: uint64,
    invarsec: uint32,
  }),
  attributesOnly,
);

// 3.3.19 FSINFO
export const FSF3 = { LINK: 0x01, SYMLINK: 0x02, HOMOGENEOUS: 0x08, CANSETTIME: 0x10 } as const;
const FSINFO3args = struct({ fsroot: nfs_fh3 });
const FSINFO3res = result(
  struct({
    obj_attributes: post_op_attr,
    rtmax: uint32,
    rtpref: uint32,
    rtmult: uint32,
    wtmax: uint32,
    wtpref: uint32,
    wtmult: uint32,
    dtpref: uint32,
    maxfilesize: uint64,
    time_delta: nfstime3,
    properties: uint32,
  }),
  attributesOnly,
);

// 3.3.20 PATHCONF
const PATHCONF3args = struct({ object: nfs_fh3 });
const PATHCONF3res = result(
  struct({
    obj_attributes: post_op_attr,
    linkmax: uint32,
    name_max: uint32,
    no_trunc: bool,
    chown_restricted: bool,
    case_insensitive: bool,
    case_preserving: bool,
  }),
  attributesOnly,
);

// 3.3.21 COMMIT
const COMMIT3args = struct({ file: nfs_fh3, offset: uint64, count: uint32 });
const COMMIT3res = result(struct({ file_wcc: wcc_data, verf: writeverf3 }), struct({ file_wcc: wcc_data }));

export type Sattr3 = Value<typeof sattr3>;

function procedure<A, R>(number: number, args: Codec<A>, res: Codec<R>) {
  return { number, args, res };
}

/** Every procedure with its number and both messages: the server's table of names and the test client's vocabulary. */
export const nfs3Procedures = {
  NULL: procedure(0, nothing, nothing),
  GETATTR: procedure(1, GETATTR3args, GETATTR3res),
  SETATTR: procedure(2, SETATTR3args, SETATTR3res),
  LOOKUP: procedure(3, LOOKUP3args, LOOKUP3res),
  ACCESS: procedure(4, ACCESS3args, ACCESS3res),
  READLINK: procedure(5, READLINK3args, READLINK3res),
  READ: procedure(6, READ3args, READ3res),
  WRITE: procedure(7, WRITE3args, WRITE3res),
  CREATE: procedure(8, CREATE3args, CREATE3res),
  MKDIR: procedure(9, MKDIR3args, MKDIR3res),
  SYMLINK: procedure(10, SYMLINK3args, SYMLINK3res),
  MKNOD: procedure(11, MKNOD3args, MKNOD3res),
  REMOVE: procedure(12, REMOVE3args, REMOVE3res),
  RMDIR: procedure(13, RMDIR3args, RMDIR3res),
  RENAME: procedure(14, RENAME3args, RENAME3res),
  LINK: procedure(15, LINK3args, LINK3res),
  READDIR: procedure(16, READDIR3args, READDIR3res),
  READDIRPLUS: procedure(17, READDIRPLUS3args, READDIRPLUS3res),
  FSSTAT: procedure(18, FSSTAT3args, FSSTAT3res),
  FSINFO: procedure(19, FSINFO3args, FSINFO3res),
  PATHCONF: procedure(20, PATHCONF3args, PATHCONF3res),
  COMMIT: procedure(21, COMMIT3args, COMMIT3res),
};

export type Nfs3ProcedureName = keyof typeof nfs3Procedures;
