// Small parsers from `unknown` to typed values, used at every border where data arrives from another process (contract arguments, settings
// files, engine messages). A parser returns the value or throws `ArgumentError` that names the field.

export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
}

export type Parser<T> = (value: unknown, where: string) => T;

type Shape = Readonly<Record<string, Parser<unknown>>>;
type Parsed<S extends Shape> = { readonly [K in keyof S]: ReturnType<S[K]> };

/** Unknown fields are refused, so that a misspelt option is not silently ignored. */
export function object<S extends Shape>(shape: S): Parser<Parsed<S>> {
  return (value, where) => {
    const fields = record(value, where);
    for (const key of Object.keys(fields)) {
      if (!Object.hasOwn(shape, key)) throw new ArgumentError(`${where} has an unknown field "${key}"`);
    }
    const result: Record<string, unknown> = {};
    for (const [key, parse] of Object.entries(shape)) result[key] = parse(fields[key], `${where}.${key}`);
    return result as Parsed<S>;
  };
}

export function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ArgumentError(`${where} must be an object`);
  }
  return value as Readonly<Record<string, unknown>>;
}

export function list<T>(parse: Parser<T>, maxLength: number): Parser<readonly T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw new ArgumentError(`${where} must be a list`);
    if (value.length > maxLength) throw new ArgumentError(`${where} has more than ${maxLength} items`);
    return value.map((item: unknown, index) => parse(item, `${where}[${index}]`));
  };
}

/** Control characters are refused: they have no business in names, paths or sources. */
export function text(maxLength: number): Parser<string> {
  return (value, where) => {
    if (typeof value !== 'string') throw new ArgumentError(`${where} must be a string`);
    if (value.length === 0) throw new ArgumentError(`${where} must not be empty`);
    if (value.length > maxLength) throw new ArgumentError(`${where} is longer than ${maxLength} characters`);
    if (hasControlCharacter(value)) throw new ArgumentError(`${where} contains a control character`);
    return value;
  };
}

export function flag(value: unknown, where: string): boolean {
  if (typeof value !== 'boolean') throw new ArgumentError(`${where} must be true or false`);
  return value;
}

/** A safe integer in [min, max]. */
export function integer(min: number, max: number): Parser<number> {
  return (value, where) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new ArgumentError(`${where} must be a whole number from ${min} to ${max}`);
    }
    return value;
  };
}

export function oneOf<const T extends string>(choices: readonly T[]): Parser<T> {
  return (value, where) => {
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw new ArgumentError(`${where} must be one of ${choices.join(', ')}`);
    return found;
  };
}

export function nullable<T>(parse: Parser<T>): Parser<T | null> {
  return (value, where) => (value === null ? null : parse(value, where));
}

/** A missing field takes `fallback`. */
export function withDefault<T>(parse: Parser<T>, fallback: T): Parser<T> {
  return (value, where) => (value === undefined ? fallback : parse(value, where));
}

/** A field that may be left out. */
export function optional<T>(parse: Parser<T>): Parser<T | undefined> {
  return (value, where) => (value === undefined ? undefined : parse(value, where));
}

export function nothing(value: unknown, where: string): null {
  if (value !== undefined && value !== null) throw new ArgumentError(`${where} takes no argument`);
  return null;
}

function hasControlCharacter(value: string): boolean {
  for (let index = 0; index < value.length; index += 1) {
    const code = value.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
