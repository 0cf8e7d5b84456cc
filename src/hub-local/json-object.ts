// Narrowing of parsed JSON at the border, for bodies of requests.

import { badRequest } from './refusal.ts';

/** Throws 400 unless `value` is a JSON object. */
export function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest('The request body must be a JSON object');
  }
  return value as Readonly<Record<string, unknown>>;
}
