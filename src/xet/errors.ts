// The one error of the Xet formats: bytes or text that are not what the format says. Used by the Hub client and by
// the embedded Hub; it knows nothing of HTTP.

export class XetFormatError extends Error {
  override readonly name = 'XetFormatError';

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
  }
}
