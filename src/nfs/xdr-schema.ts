// Declarative XDR: one declaration gives the reader, the writer and the TypeScript type of a message. Used for all but the
// hottest procedures, for those as the oracle in tests, and by the test client. Variable lengths must name a maximum.

import { XdrError, type XdrReader, type XdrWriter } from './xdr-cursor.ts';

export interface Codec<T> {
  read(reader: XdrReader): T;
  write(writer: XdrWriter, value: T): void;
}

export type Value<C> = C extends Codec<infer T> ? T : never;

type Fields = Readonly<Record<string, Codec<unknown>>>;
type Simplify<T> = { [K in keyof T]: T[K] };

export const uint32: Codec<number> = {
  read: (reader) => reader.uint32(),
  write(writer, value) {
    writer.ensure(4);
    writer.uint32(value);
  },
};

/** Reads values above 2^53-1 as unsafe numbers (see XdrReader.uint64). */
export const uint64: Codec<number> = {
  read: (reader) => reader.uint64(),
  write(writer, value) {
    writer.ensure(8);
    writer.uint64(value);
  },
};

export const bool: Codec<boolean> = {
  read: (reader) => reader.bool(),
  write(writer, value) {
    writer.ensure(4);
    writer.bool(value);
  },
};

export function enumeration<T extends number>(...values: readonly T[]): Codec<T> {
  return {
    read(reader) {
      const value = reader.uint32();
      const known = values.find((candidate) => candidate === value);
      if (known === undefined) throw new XdrError(`${value} is not a value of this enumeration`);
      return known;
    },
    write: (writer, value) => uint32.write(writer, value),
  };
}

/** Reading borrows the bytes from the record. */
export function opaqueFixed(length: number): Codec<Uint8Array> {
  return {
    read: (reader) => reader.opaqueFixed(length),
    write(writer, value) {
      if (value.length !== length) throw new XdrError(`${value.length} bytes where ${length} are due`);
      writer.opaqueFixed(value);
    },
  };
}

/** Reading borrows the bytes from the record. */
export function opaque(maximum: number): Codec<Uint8Array> {
  return {
    read: (reader) => reader.opaque(maximum),
    write(writer, value) {
      if (value.length > maximum)
        throw new XdrError(`${value.length} bytes are over the maximum of ${maximum}`);
      writer.opaque(value);
    },
  };
}

export function struct<F extends Fields>(fields: F): Codec<{ [K in keyof F]: Value<F[K]> }> {
  const entries = Object.entries(fields);
  return {
    read(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) value[name] = codec.read(reader);
      return value as { [K in keyof F]: Value<F[K]> };
    },
    write(writer, value) {
      for (const [name, codec] of entries) codec.write(writer, value[name]);
    },
  };
}

/** `union switch (bool follows) { case TRUE: T; case FALSE: void; }`, null where nothing follows. */
export function optional<T>(codec: Codec<T>): Codec<T | null> {
  return {
    read: (reader) => (reader.bool() ? codec.read(reader) : null),
    write(writer, value) {
      bool.write(writer, value !== null);
      if (value !== null) codec.write(writer, value);
    },
  };
}

type Arms = Readonly<Record<number, Codec<object>>>;
type UnionValue<K extends string, A extends Arms> = {
  [N in keyof A]: Simplify<{ readonly [P in K]: N } & Value<A[N]>>;
}[keyof A];

/** A union whose arms are structs: the arm's fields stand beside the discriminant `key`. */
export function union<K extends string, A extends Arms>(key: K, arms: A): Codec<UnionValue<K, A>> {
  const table = new Map(Object.entries(arms).map(([name, codec]) => [Number(name), codec]));
  const armOf = (discriminant: number): Codec<object> => {
    const arm = table.get(discriminant);
    if (arm === undefined) throw new XdrError(`Union "${key}" has no arm ${discriminant}`);
    return arm;
  };
  return {
    read(reader) {
      const discriminant = reader.uint32();
      return { [key]: discriminant, ...armOf(discriminant).read(reader) } as UnionValue<K, A>;
    },
    write(writer, value) {
      const discriminant: unknown = Reflect.get(value, key);
      if (typeof discriminant !== 'number') throw new XdrError(`Union "${key}" without its discriminant`);
      uint32.write(writer, discriminant);
      armOf(discriminant).write(writer, value);
    },
  };
}

export type Result<Ok, Fail> =
  | { readonly ok: true; readonly resok: Ok }
  | { readonly ok: false; readonly status: number; readonly resfail: Fail };

/** `union switch (nfsstat3 status) { case NFS3_OK: resok; default: resfail; }` */
export function result<Ok, Fail>(resok: Codec<Ok>, resfail: Codec<Fail>): Codec<Result<Ok, Fail>> {
  return {
    read(reader) {
      const status = reader.uint32();
      return status === 0
        ? { ok: true, resok: resok.read(reader) }
        : { ok: false, status, resfail: resfail.read(reader) };
    },
    write(writer, value) {
      uint32.write(writer, value.ok ? 0 : value.status);
      if (value.ok) resok.write(writer, value.resok);
      else resfail.write(writer, value.resfail);
    },
  };
}

/** The linked lists of RFC 1813 (`struct entry *nextentry`): each item is preceded by TRUE, the end is FALSE. */
export function list<T>(item: Codec<T>, maximum: number): Codec<readonly T[]> {
  return {
    read(reader) {
      const items: T[] = [];
      while (reader.bool()) {
        if (items.length >= maximum) throw new XdrError(`More than ${maximum} items`);
        items.push(item.read(reader));
      }
      return items;
    },
    write(writer, values) {
      for (const value of values) {
        bool.write(writer, true);
        item.write(writer, value);
      }
      bool.write(writer, false);
    },
  };
}

/** Counted arrays (`T items<maximum>`). */
export function array<T>(item: Codec<T>, maximum: number): Codec<readonly T[]> {
  return {
    read(reader) {
      const count = reader.length(maximum);
      const items: T[] = [];
      for (let index = 0; index < count; index += 1) items.push(item.read(reader));
      return items;
    },
    write(writer, values) {
      if (values.length > maximum) throw new XdrError(`More than ${maximum} items`);
      uint32.write(writer, values.length);
      for (const value of values) item.write(writer, value);
    },
  };
}

export const nothing: Codec<Record<never, never>> = { read: () => ({}), write() {} };
