// Every row of the table of conflicts in docs/semantics.md, with two real hosts on one bucket of the embedded Hub. Both begin
// with what the row gives; `theirs` is sent first, `ours` second. Each row is told three times: the second host
// sends at once, or has looked at the Hub before, or has looked and was started again. In the end both mounts show exactly what the Hub has.

import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { HubHosts, type HubHost } from '../support/hub-hosts.ts';

interface Row {
  readonly before?: Readonly<Record<string, string>>;
  readonly theirs: (host: HubHost, at: (path: string) => string) => Promise<unknown>;
  readonly ours: (host: HubHost, at: (path: string) => string) => Promise<unknown>;
  /** The Hub in the end; ` (conflict)` stands for the host, day and time of a conflict copy. */
  readonly after: Readonly<Record<string, string>>;
  /** CONFLICT events of the second host: path, and where our version went. */
  readonly told: readonly (readonly [path: string, toPath?: string])[];
  /** How the mounts show what cannot have its own name there. */
  readonly shown?: Readonly<Record<string, string>>;
}

const rows: [name: string, row: Row][] = [];
function row(name: string, content: Row): void {
  rows.push([name, content]);
}

row('edited on both sides', {
  before: { 'doc.txt': 'base' },
  theirs: (host, at) => host.save(at('doc.txt'), 'theirs'),
  ours: (host, at) => host.save(at('doc.txt'), 'ours'),
  after: { 'doc.txt': 'theirs', 'doc (conflict).txt': 'ours' },
  told: [['doc.txt', 'doc (conflict).txt']],
});

row('edited on both sides in different places of the file', {
  before: { doc: 'one two three' },
  theirs: (host, at) => host.overwrite(at('doc'), 0, 'ONE'),
  ours: (host, at) => host.overwrite(at('doc'), 8, 'THREE'),
  after: { doc: 'ONE two three', 'doc (conflict)': 'one two THREE' },
  told: [['doc', 'doc (conflict)']],
});

row('edited on both sides to the same content', {
  before: { doc: 'base' },
  theirs: (host, at) => host.save(at('doc'), 'same'),
  ours: (host, at) => host.save(at('doc'), 'same'),
  after: { doc: 'same' },
  told: [],
});

row('truncated here, edited there', {
  before: { doc: 'one two three' },
  theirs: (host, at) => host.overwrite(at('doc'), 0, 'ONE'),
  ours: (host, at) => host.truncate(at('doc'), 3),
  after: { doc: 'ONE two three', 'doc (conflict)': 'one' },
  told: [['doc', 'doc (conflict)']],
});

row('created on both sides', {
  theirs: (host, at) => host.save(at('new.txt'), 'theirs'),
  ours: (host, at) => host.save(at('new.txt'), 'ours'),
  after: { 'new.txt': 'theirs', 'new (conflict).txt': 'ours' },
  told: [['new.txt', 'new (conflict).txt']],
});

row('created on both sides with the same content', {
  theirs: (host, at) => host.save(at('new.txt'), 'same'),
  ours: (host, at) => host.save(at('new.txt'), 'same'),
  after: { 'new.txt': 'same' },
  told: [],
});

row('deleted on both sides', {
  before: { doc: 'base', other: 'x' },
  theirs: (host, at) => host.remove(at('doc')),
  ours: (host, at) => host.remove(at('doc')),
  after: { other: 'x' },
  told: [],
});

row('deleted here, edited there', {
  before: { doc: 'base' },
  theirs: (host, at) => host.save(at('doc'), 'theirs'),
  ours: (host, at) => host.remove(at('doc')),
  after: { doc: 'theirs' },
  told: [['doc']],
});

row('edited here, deleted there', {
  before: { doc: 'base', other: 'x' },
  theirs: (host, at) => host.remove(at('doc')),
  ours: (host, at) => host.save(at('doc'), 'ours'),
  after: { doc: 'ours', other: 'x' },
  told: [['doc']],
});

row('deleted and created anew here, edited there', {
  before: { doc: 'base' },
  theirs: (host, at) => host.save(at('doc'), 'theirs'),
  async ours(host, at) {
    await host.remove(at('doc'));
    await host.save(at('doc'), 'ours');
  },
  after: { doc: 'theirs', 'doc (conflict)': 'ours' },
  told: [['doc', 'doc (conflict)']],
});

row('renamed here, edited there', {
  before: { old: 'base' },
  theirs: (host, at) => host.save(at('old'), 'theirs'),
  ours: (host, at) => host.rename(at('old'), at('new')),
  after: { old: 'theirs', new: 'base' },
  told: [['old']],
});

row('edited here, renamed there', {
  before: { old: 'base' },
  theirs: (host, at) => host.rename(at('old'), at('new')),
  ours: (host, at) => host.save(at('old'), 'ours'),
  after: { old: 'ours', new: 'base' },
  told: [['old']],
});

row('renamed and edited here, edited there', {
  before: { old: 'base' },
  theirs: (host, at) => host.save(at('old'), 'theirs'),
  async ours(host, at) {
    await host.rename(at('old'), at('new'));
    await host.save(at('new'), 'ours');
  },
  after: { old: 'theirs', new: 'ours' },
  told: [['old']],
});

row('renamed on both sides to different names', {
  before: { old: 'base' },
  theirs: (host, at) => host.rename(at('old'), at('new there')),
  ours: (host, at) => host.rename(at('old'), at('new here')),
  after: { 'new there': 'base', 'new here': 'base' },
  told: [],
});

row('renamed on both sides to the same name', {
  before: { old: 'base' },
  theirs: (host, at) => host.rename(at('old'), at('new')),
  ours: (host, at) => host.rename(at('old'), at('new')),
  after: { new: 'base' },
  told: [],
});

row('different files renamed to one name', {
  before: { one: '1', two: '2' },
  theirs: (host, at) => host.rename(at('one'), at('both')),
  ours: (host, at) => host.rename(at('two'), at('both')),
  after: { both: '1', 'both (conflict)': '2' },
  told: [['both', 'both (conflict)']],
});

row('renamed here, deleted there', {
  before: { old: 'base', other: 'x' },
  theirs: (host, at) => host.remove(at('old')),
  ours: (host, at) => host.rename(at('old'), at('new')),
  after: { new: 'base', other: 'x' },
  told: [],
});

row('deleted here, renamed there', {
  before: { old: 'base', other: 'x' },
  theirs: (host, at) => host.rename(at('old'), at('new')),
  ours: (host, at) => host.remove(at('old')),
  after: { new: 'base', other: 'x' },
  told: [],
});

row('saved here by renaming over it, edited there', {
  before: { 'doc.txt': 'base' },
  theirs: (host, at) => host.save(at('doc.txt'), 'theirs'),
  async ours(host, at) {
    await host.save(at('doc.tmp'), 'ours');
    await host.rename(at('doc.tmp'), at('doc.txt'));
  },
  after: { 'doc.txt': 'theirs', 'doc (conflict).txt': 'ours' },
  told: [['doc.txt', 'doc (conflict).txt']],
});

row('a folder made here, a file of that name made there', {
  before: { other: 'x' },
  theirs: (host, at) => host.save(at('both'), 'a file'),
  async ours(host, at) {
    await host.mkdir(at('both'));
    await host.save(at('both/inner'), 'in a folder');
  },
  after: { both: 'a file', 'both/inner': 'in a folder', other: 'x' },
  told: [],
});

row('a file made here, a folder of that name made there', {
  before: { other: 'x' },
  async theirs(host, at) {
    await host.mkdir(at('both'));
    await host.save(at('both/inner'), 'in a folder');
  },
  ours: (host, at) => host.save(at('both'), 'a file'),
  after: { both: 'a file', 'both/inner': 'in a folder', other: 'x' },
  told: [],
});

row('a file replaced by a folder here, edited there', {
  before: { both: 'base' },
  theirs: (host, at) => host.save(at('both'), 'theirs'),
  async ours(host, at) {
    await host.remove(at('both'));
    await host.mkdir(at('both'));
    await host.save(at('both/inner'), 'in a folder');
  },
  after: { both: 'theirs', 'both/inner': 'in a folder' },
  told: [['both']],
});

row('a folder renamed here, a file in it edited there', {
  before: { 'dir/doc': 'base', 'dir/other': 'x' },
  theirs: (host, at) => host.save(at('dir/doc'), 'theirs'),
  ours: (host, at) => host.rename(at('dir'), at('moved')),
  after: { 'moved/doc': 'theirs', 'moved/other': 'x' },
  told: [],
});

row('a folder renamed here, files in it made and deleted there', {
  before: { 'dir/doc': 'base', 'dir/other': 'x' },
  async theirs(host, at) {
    await host.save(at('dir/new'), 'theirs');
    await host.remove(at('dir/doc'));
  },
  ours: (host, at) => host.rename(at('dir'), at('moved')),
  after: { 'moved/new': 'theirs', 'moved/other': 'x' },
  told: [],
});

row('a folder renamed and a file in it edited here, the file edited there', {
  before: { 'dir/doc': 'base' },
  theirs: (host, at) => host.save(at('dir/doc'), 'theirs'),
  async ours(host, at) {
    await host.rename(at('dir'), at('moved'));
    await host.save(at('moved/doc'), 'ours');
  },
  after: { 'moved/doc': 'theirs', 'moved/doc (conflict)': 'ours' },
  told: [['moved/doc', 'moved/doc (conflict)']],
});

row('a file in a folder edited here, the folder renamed there', {
  before: { 'dir/doc': 'base', 'dir/other': 'x' },
  theirs: (host, at) => host.rename(at('dir'), at('moved')),
  ours: (host, at) => host.save(at('dir/doc'), 'ours'),
  after: { 'moved/doc': 'base', 'moved/other': 'x', 'dir/doc': 'ours' },
  told: [['dir/doc']],
});

row('a folder renamed on both sides to different names', {
  before: { 'dir/doc': 'base', 'dir/other': 'x' },
  theirs: (host, at) => host.rename(at('dir'), at('there')),
  ours: (host, at) => host.rename(at('dir'), at('here')),
  after: { 'there/doc': 'base', 'there/other': 'x' },
  told: [],
});

row('folders renamed to one name', {
  before: { 'one/doc': '1', 'one/a': 'a', 'two/doc': '2', 'two/b': 'b' },
  theirs: (host, at) => host.rename(at('one'), at('both')),
  ours: (host, at) => host.rename(at('two'), at('both')),
  after: { 'both/doc': '1', 'both/doc (conflict)': '2', 'both/a': 'a', 'both/b': 'b' },
  told: [['both/doc', 'both/doc (conflict)']],
});

row('a folder removed here, a file made in it there', {
  before: { 'dir/doc': 'base', other: 'x' },
  theirs: (host, at) => host.save(at('dir/new'), 'theirs'),
  async ours(host, at) {
    await host.remove(at('dir/doc'));
    await host.rmdir(at('dir'));
  },
  after: { 'dir/new': 'theirs', other: 'x' },
  told: [],
});

row('a file made in a folder here, the folder removed there', {
  before: { 'dir/doc': 'base', other: 'x' },
  async theirs(host, at) {
    await host.remove(at('dir/doc'));
    await host.rmdir(at('dir'));
  },
  ours: (host, at) => host.save(at('dir/new'), 'ours'),
  after: { 'dir/new': 'ours', other: 'x' },
  told: [],
});

function plain(path: string): string {
  return path.replace(/ \(conflict host-b \d{4}-\d\d-\d\d \d{6}\)/, ' (conflict)');
}

/** A file and a folder of one name are told apart by a mark that the Hub does not have. */
function unmarked(path: string): string {
  return path.replaceAll(/ \((?:file|folder)\)/g, '');
}

function mapKeys(files: Readonly<Record<string, string>>, change: (path: string) => string) {
  return Object.fromEntries(Object.entries(files).map(([path, text]) => [change(path), text]));
}

async function tell(
  t: TestContext,
  name: string,
  row: Row,
  before: 'sent' | 'seen' | 'restarted',
): Promise<void> {
  const folder = 'row';
  const at = (path: string): string => `${folder}/${path}`;
  const hosts = await HubHosts.open(t, { 'row/.keep': '', ...mapKeys(row.before ?? {}, at) });
  const theirs = await hosts.host({ name: 'host-a', startedAt: Date.UTC(2026, 0, 2) });
  const ours = await hosts.host({ name: 'host-b', startedAt: Date.UTC(2031, 4, 6) });
  // Both have seen everything.
  await theirs.files();
  await ours.files();
  await row.theirs(theirs, at);
  await row.ours(ours, at);
  await theirs.flush();
  ours.activity('CONFLICT');
  if (before !== 'sent') await ours.refresh();
  if (before === 'restarted') await ours.restart();
  await ours.flush();
  const told = ours.activity('CONFLICT').map(({ path, toPath }) => {
    const shown = plain(path).slice(folder.length + 1);
    return toPath === undefined ? [shown] : [shown, plain(toPath).slice(folder.length + 1)];
  });
  const hub = await hosts.files();
  assert.deepEqual(mapKeys(hub, plain), { 'row/.keep': '', ...mapKeys(row.after, at) }, 'on the Hub');
  assert.deepEqual(told, row.told, name);
  for (const host of [theirs, ours]) {
    await host.refresh();
    assert.deepEqual(mapKeys(await host.files(), unmarked), hub, `${host.name} shows what the Hub has`);
    assert.deepEqual(host.fs.uploads.pending(), []);
  }
}

for (const [name, content] of rows) {
  test(name, (t) => tell(t, name, content, 'sent'));
  test(`${name}; seen before it was sent`, (t) => tell(t, name, content, 'seen'));
  test(`${name}; seen, and started again before it was sent`, (t) => tell(t, name, content, 'restarted'));
}
