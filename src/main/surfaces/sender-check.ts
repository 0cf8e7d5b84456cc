// Which messages of windows are taken: those of the main frame of our own window while it shows our own page. Pure, for the IPC host.

export const panelScheme = 'hubdrive-app';
export const panelOrigin = `${panelScheme}://panel`;
export const panelUrl = `${panelOrigin}/`;

export interface Sender {
  /** The message came through the web contents of the panel's window. */
  readonly isOurWindow: boolean;
  readonly isMainFrame: boolean;
  /** Null when the frame was gone before the message was read. */
  readonly url: string | null;
}

/** Null: it is ours. Otherwise why it is refused. */
export function refusalOfSender({ isOurWindow, isMainFrame, url }: Sender): string | null {
  if (!isOurWindow) return 'it is not from the panel’s window';
  if (url === null) return 'its frame is gone';
  if (!isPanelUrl(url)) return 'its page is not the panel';
  return isMainFrame ? null : 'it is from a frame inside the panel';
}

/** Not by `URL.origin`, which is opaque (`null`) for schemes that Node does not know. */
export function isPanelUrl(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, host, username, password } = new URL(url);
  return protocol === `${panelScheme}:` && host === 'panel' && username === '' && password === '';
}
