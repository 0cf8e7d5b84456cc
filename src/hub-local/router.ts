// Maps method and path to a named route. Patterns are literal segments, `:name` (one segment) and a last `*name`
// (all the rest). Segments are percent-decoded after matching, so `%2F` inside a segment never splits it.

import { badRequest } from './refusal.ts';

export interface Route<Handler> {
  /** Stable name, used by fault rules and counters, e.g. `bucket.tree`. */
  readonly name: string;
  readonly method: string;
  readonly pattern: string;
  readonly handler: Handler;
}

export interface RouteMatch<Handler> {
  readonly route: Route<Handler>;
  /** Decoded; a `*name` holds its segments joined by '/'. */
  readonly params: Readonly<Record<string, string>>;
  /** The decoded segments of a `*name`. */
  readonly rest: readonly string[];
}

interface Compiled<Handler> {
  readonly route: Route<Handler>;
  readonly segments: readonly string[];
  readonly rest: string | null;
}

export class Router<Handler> {
  readonly #byMethod = new Map<string, Compiled<Handler>[]>();

  add(name: string, method: string, pattern: string, handler: Handler): void {
    const segments = pattern.split('/').slice(1);
    const last = segments.at(-1) ?? '';
    const rest = last.startsWith('*') ? last.slice(1) : null;
    if (rest !== null) segments.pop();
    const list = this.#byMethod.get(method) ?? [];
    list.push({ route: { name, method, pattern, handler }, segments, rest });
    this.#byMethod.set(method, list);
  }

  /** First route in the order of `add` whose pattern fits `pathname` (still encoded, beginning with '/'). */
  match(method: string, pathname: string): RouteMatch<Handler> | null {
    const parts = pathname.split('/').slice(1);
    while (parts.length > 1 && parts.at(-1) === '') parts.pop();
    for (const candidate of this.#byMethod.get(method) ?? []) {
      if (!fits(candidate, parts)) continue;
      const rest = candidate.rest === null ? [] : parts.slice(candidate.segments.length).map(decodeSegment);
      return { route: candidate.route, params: readParams(candidate, parts, rest), rest };
    }
    return null;
  }

  /** Methods that exist for a path, for the `Allow` header of a 405. */
  methodsOf(pathname: string): string[] {
    return [...this.#byMethod.keys()].filter((method) => this.match(method, pathname) !== null);
  }
}

function fits<Handler>(candidate: Compiled<Handler>, parts: readonly string[]): boolean {
  const { segments, rest } = candidate;
  if (rest === null ? parts.length !== segments.length : parts.length < segments.length) return false;
  return segments.every((segment, index) => {
    const part = parts[index] ?? '';
    return segment.startsWith(':') ? part !== '' : part === segment;
  });
}

function readParams<Handler>(
  candidate: Compiled<Handler>,
  parts: readonly string[],
  rest: readonly string[],
): Record<string, string> {
  const params: Record<string, string> = {};
  candidate.segments.forEach((segment, index) => {
    const part = parts[index] ?? '';
    if (segment.startsWith(':')) params[segment.slice(1)] = decodeSegment(part);
  });
  if (candidate.rest !== null) params[candidate.rest] = rest.join('/');
  return params;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (cause) {
    throw badRequest(`The path segment ${JSON.stringify(segment)} is not valid percent-encoding`, cause);
  }
}
