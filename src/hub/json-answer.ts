// Reads the fields of JSON answers with their types checked, so that no cast stands at the border. Used wherever an
// answer of the Hub or the CAS is parsed; says which field is wrong.

import { badAnswerError } from './hub-errors.ts';
import type { HubError } from './remote-store.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export class AnswerReader {
  readonly #what: string;

  /** `what` is the request in words, for messages. */
  constructor(what: string) {
    this.#what = what;
  }

  fail(problem: string): HubError {
    return badAnswerError(this.#what, problem);
  }

  object(value: unknown, name: string): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.fail(`${name} is no object`);
    return value as JsonObject;
  }

  array(value: unknown, name: string): readonly unknown[] {
    if (!Array.isArray(value)) throw this.fail(`${name} is no list`);
    return value as readonly unknown[];
  }

  string(object: JsonObject, key: string): string {
    const value = object[key];
    if (typeof value !== 'string') throw this.fail(`"${key}" is no text`);
    return value;
  }

  optionalString(object: JsonObject, key: string): string | null {
    const value = object[key];
    return typeof value === 'string' ? value : null;
  }

  /** A whole number from 0 to 2^53-1. */
  count(object: JsonObject, key: string): number {
    const value = object[key];
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
      throw this.fail(`"${key}" is no count`);
    }
    return value;
  }

  optionalCount(object: JsonObject, key: string): number | null {
    const value = object[key];
    return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
  }

  boolean(object: JsonObject, key: string): boolean {
    return object[key] === true;
  }

  /** Milliseconds since the epoch, null where there is no readable date. */
  date(object: JsonObject, key: string): number | null {
    const value = object[key];
    if (typeof value !== 'string') return null;
    const time = Date.parse(value);
    return Number.isFinite(time) ? time : null;
  }
}
