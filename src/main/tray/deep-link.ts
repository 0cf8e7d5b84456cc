// Reads `hubdrive://` addresses, which any web page or program may open, and words the question that comes before anything is mounted.
// Pure; a link can only ever propose a mount.
//
//   hubdrive://mount/KIND/OWNER/NAME[/SUBFOLDER][?revision=REV][&read-only=1]     hubdrive://open

import { formatSource, parseSource } from '../../hub/source.ts';
import type { MountArgument } from '../../shared/contract.ts';
import { parseMountArgument } from '../../shared/contract.ts';
import type { Question } from './question.ts';

export const deepLinkScheme = 'hubdrive';

export type DeepLink =
  | { readonly type: 'open' }
  | { readonly type: 'mount'; readonly argument: MountArgument }
  | { readonly type: 'refused'; readonly reason: string };

const maxLinkLength = 2048;
const parameters: readonly string[] = ['revision', 'read-only'];

/** Never throws. Mounts are proposed at the default place only. */
export function parseDeepLink(text: string): DeepLink {
  if (text.length > maxLinkLength) return refused('it is too long');
  if (!URL.canParse(text)) return refused('it is not an address');
  const url = new URL(text);
  if (url.protocol !== `${deepLinkScheme}:`) return refused('it is not a Hubdrive address');
  if (url.username !== '' || url.password !== '' || url.port !== '' || url.hash !== '')
    return refused('it has parts that a Hubdrive address does not have');
  switch (url.hostname) {
    case 'open':
      return { type: 'open' };
    case 'mount':
      return readMount(url);
    default:
      return refused(`it asks for “${url.hostname}”, which Hubdrive does not know`);
  }
}

function readMount({ pathname, searchParams }: URL): DeepLink {
  for (const name of searchParams.keys()) {
    if (!parameters.includes(name)) return refused(`it has an unknown option “${name}”`);
  }
  try {
    const path = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '');
    const spec = parseSource(path, searchParams.get('revision'));
    const argument = parseMountArgument(
      {
        source: formatSource(spec),
        revision: spec.revision,
        readOnly: searchParams.get('read-only') === '1',
        mountPoint: null,
        serverOnly: false,
      },
      'the link',
    );
    return { type: 'mount', argument };
  } catch (error) {
    return refused(error instanceof Error ? error.message : String(error));
  }
}

function refused(reason: string): DeepLink {
  return { type: 'refused', reason };
}

/** The first Hubdrive address among a process's arguments, as Linux hands them over. */
export function findDeepLink(argv: readonly string[]): string | null {
  return argv.find((word) => word.startsWith(`${deepLinkScheme}:`)) ?? null;
}

export function mountQuestion({
  source,
  revision,
  readOnly,
}: MountArgument): Question<'mount' | 'read-only' | 'cancel'> {
  const what = revision === null ? `“${source}”` : `“${source}” at revision “${revision}”`;
  return {
    message: `Mount ${what}?`,
    detail:
      'A web page or another program asks for it. Mount it only if you opened that link yourself: programs on this computer ' +
      'can then read its files' +
      (readOnly ? '.' : ', and what is written there is sent to the Hub.'),
    buttons: readOnly ? ['Mount', 'Cancel'] : ['Mount', 'Mount read-only', 'Cancel'],
    choices: readOnly ? ['read-only', 'cancel'] : ['mount', 'read-only', 'cancel'],
    defaultChoice: 'cancel',
    cancelChoice: 'cancel',
  };
}
