// Shortens names to what a file system holds. Used where names are made up.

/** The longest prefix of whole characters within `limitBytes` of UTF-8. */
export function cutBytes(text: string, limitBytes: number): string {
  if (Buffer.byteLength(text) <= limitBytes) return text;
  let kept = '';
  let bytes = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > limitBytes) break;
    kept += character;
  }
  return kept;
}
