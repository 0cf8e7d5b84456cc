// Names that systems and clients leave in every folder and that nobody wants on the Hub. Files of these names, and all
// that lies in folders of these names, live only in the local catalogue and staging. Used by the namespace.

const exact: ReadonlySet<string> = new Set([
  '.ds_store',
  '.localized',
  '.metadata_never_index',
  '.metadata_never_index_unless_rootfs',
  '.com.apple.timemachine.donotpresent',
  '.volumeicon.icns',
  '.spotlight-v100',
  '.trashes',
  '.fseventsd',
  '.documentrevisions-v100',
  '.temporaryitems',
  '.apdisk',
  '.directory',
  'thumbs.db',
  'ehthumbs.db',
  'desktop.ini',
  '$recycle.bin',
  'system volume information',
  'icon\r',
]);

/** `._name` (AppleDouble), `.nfs…` (an open file that was removed, named so by NFS clients), `.Trash-1000`. */
const pattern = /^(?:\._.+|\.nfs[0-9a-f]{8,}.*|\.nfs\.[0-9a-f]{4,}.*|\.trash-\d+|\.afpdeleted.*)$/;

/** Whether the name never goes to the Hub. Editors' swap and backup files are ordinary names. */
export function isLocalOnlyName(name: string): boolean {
  const first = name.charCodeAt(0);
  // Every name above starts with one of: . t e d $ s i
  if (first !== 0x2e && !/^[teds$i]/i.test(name)) return false;
  const lower = name.toLowerCase();
  return exact.has(lower) || pattern.test(lower);
}
