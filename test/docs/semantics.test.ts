// docs/semantics.md promises nothing that no test checks: every statement names a test, and every named test exists.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..', '..');
const text = readFileSync(join(root, 'docs', 'semantics.md'), 'utf8');
const conflictTests = 'test/semantics/two-hosts-conflicts.test.ts';

interface Reference {
  readonly file: string;
  readonly name: string;
}

/** Each paragraph, list item and table row after the introduction, on one line. */
function statementsOf(markdown: string): string[] {
  const [, ...sections] = markdown.split(/^## .*$/m);
  return sections.flatMap((section) =>
    section
      .split(/\n\n|\n(?=- |\|)/)
      .map((block) => block.replaceAll(/\s+/g, ' ').trim())
      .filter(
        (block) => block !== '' && !/^\|[-| ]+\|$/.test(block) && !block.startsWith('| ours | theirs |'),
      ),
  );
}

function referencesOf(statement: string): Reference[] {
  return [...statement.matchAll(/\[test: (\S+) › (.+?)\](?=$| |\[)/g)].map(([, file = '', name = '']) => ({
    file,
    name,
  }));
}

const namesByFile = new Map<string, readonly RegExp[]>();

/** The names of tests in a file: first arguments, and first elements of rows, as patterns where they are made of parts. */
function namesIn(file: string): readonly RegExp[] {
  const known = namesByFile.get(file);
  if (known !== undefined) return known;
  const source = readFileSync(join(root, file), 'utf8');
  const calls =
    /(?:\b(?:test|it|story|row)\s*\(|\[)\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|`((?:\\.|[^`\\])*)`)\s*,/g;
  const names = [...source.matchAll(calls)].map(([, single, double, template]) => {
    const parts = template === undefined ? [single ?? double ?? ''] : template.split(/\$\{[^}]*\}/);
    const pattern = parts.map((part) => escapePattern(part.replaceAll(/\\(.)/g, '$1'))).join('.*');
    return new RegExp(`^${pattern}$`, 's');
  });
  namesByFile.set(file, names);
  return names;
}

function escapePattern(part: string): string {
  return part.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}

test('every statement of docs/semantics.md names a test', () => {
  const statements = statementsOf(text);
  assert.ok(statements.length > 80, `${statements.length} statements`);
  assert.deepEqual(
    statements.filter((statement) => referencesOf(statement).length === 0),
    [],
  );
});

test('every test that docs/semantics.md names exists in its file', () => {
  const missing = statementsOf(text)
    .flatMap(referencesOf)
    .filter(({ file, name }) => {
      if (!/^test\/[\w/.-]+\.ts$/.test(file) || !existsSync(join(root, file))) return true;
      // A name that ends in a seed may be given without it.
      return !namesIn(file).some((pattern) => pattern.test(name) || pattern.test(`${name} (seed 1)`));
    });
  assert.deepEqual(missing, []);
});

test('every marker in docs/semantics.md is read as one', () => {
  assert.equal(statementsOf(text).flatMap(referencesOf).length, text.split('[test: ').length - 1);
});

test('every conflict that is tested with two hosts stands in the table', () => {
  const told = new Set(
    statementsOf(text)
      .flatMap(referencesOf)
      .flatMap(({ file, name }) => (file === conflictTests ? [name] : [])),
  );
  const source = readFileSync(join(root, conflictTests), 'utf8');
  const rows = [...source.matchAll(/^row\('([^']+)'/gm)].map(([, name = '']) => name);
  assert.ok(rows.length > 20);
  assert.deepEqual(
    rows.filter((name) => !told.has(name)),
    [],
  );
});
