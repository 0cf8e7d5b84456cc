// Which mount a person means: a source is passed on as written; anything that looks like a path becomes absolute here, where the working
// directory is known.

import { resolve } from 'node:path';

const sourceForm = /^(?:hf:\/\/)?(?:bucket|model|dataset|space)s?\//;

export function requiredTarget(text: string): string {
  return sourceForm.test(text) ? text : resolve(text);
}

/** Null for all mounts. */
export function targetOf(text: string | undefined): string | null {
  return text === undefined ? null : requiredTarget(text);
}
