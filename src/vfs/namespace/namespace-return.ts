// Gives a file that another client deleted its name back, because a program that has it open changed it. Where somebody else has
// the name by then it gets one beside. Used by writing and by the start, inside their transactions.

import { conflictName } from './conflict-name.ts';
import type { NamespaceContext } from './namespace-context.ts';
import type { FormerName } from './namespace-nameless.ts';
import { addRemote } from './namespace-remote.ts';

/**
 * Nothing for a file that has a name. What the Hub is said to hold there is the version that was deleted, so the upload finds and
 * tells the deletion as it does for a file that was changed before the deletion was seen. Telling uploads is the caller's.
 */
export function giveNameBack(context: NamespaceContext, slot: number): void {
  const { tree, nameless } = context;
  const ino = tree.index.inoOf(slot);
  const former = nameless.get(ino);
  if (former === null) return;
  const parent = folderOf(context, former);
  nameless.delete(ino);
  const { name, remoteName } = former;
  if (tree.index.find(parent, name) !== -1 || tree.index.findRemote(parent, remoteName, false) !== -1) {
    nameBeside(context, parent, slot, name);
    return;
  }
  const expect = tree.isLocalName(parent, name) ? 'nothing' : 'base';
  tree.addName(parent, name, slot, expect, remoteName === name ? null : remoteName);
  context.noteLocalChange(tree.index.inoOf(parent), remoteName);
  tree.touchDirectory(parent);
}

function nameBeside(context: NamespaceContext, parent: number, slot: number, name: string): void {
  const { tree, clock, hostName, activity } = context;
  let ours = conflictName(name, hostName, clock.now());
  for (let copy = 2; tree.index.find(parent, ours) !== -1; copy += 1) {
    ours = conflictName(name, hostName, clock.now(), copy);
  }
  const entry = tree.addName(parent, ours, slot, 'nothing');
  context.noteLocalChange(tree.index.inoOf(parent), ours);
  tree.touchDirectory(parent);
  const toPath = tree.pathOfEntry(entry);
  const path = toPath.slice(0, -ours.length) + name;
  tree.afterCommit(() => {
    activity.record('CONFLICT', path, {
      toPath,
      detail:
        'Deleted by another client while a program here had it open, and made anew; what the program writes is kept beside it',
    });
    context.log.warn('A deleted file that a program went on writing is kept beside the new one', {
      path,
      ownPath: toPath,
    });
  });
}

/** The folder that the file was in; folders that are gone as well are made again. */
function folderOf(context: NamespaceContext, former: FormerName): number {
  const { tree, nameless } = context;
  const place = nameless.placeOf(former, tree);
  let { slot } = place;
  for (const { remoteName } of place.gone) {
    let entry = tree.index.findRemote(slot, remoteName, true);
    if (entry === -1) {
      // Unlisted: others may have made it again as well.
      entry = addRemote(context, slot, remoteName, { type: 'directory', mtimeMs: null });
      context.noteLocalChange(tree.index.inoOf(slot), remoteName);
      tree.touchDirectory(slot);
    }
    slot = tree.index.inodeOf(entry);
  }
  return slot;
}
