// Removes secrets from text that is logged or shown: Hub tokens, Authorization values, and the query strings of signed URLs. Used by the
// logger for every string and by the error border for every message.

const hubToken = /\bhf_[A-Za-z0-9_-]{4,}/g;
const authorization = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{4,}/gi;
/** Names whose values sign or authorise a URL (CloudFront, S3, CAS, panel). */
const secretQuery =
  /([?&;](?:X-Amz-[A-Za-z-]+|X-Xet-[A-Za-z-]+|Signature|Policy|Key-Pair-Id|AWSAccessKeyId|Expires|sig|token|access_token|refresh_token|code|secret)=)[^&\s"'#]+/gi;
const jsonSecret =
  /("(?:token|accessToken|access_token|refresh_token|authorization|handleKey)"\s*:\s*")[^"]+/gi;

export function redactText(text: string): string {
  return text
    .replace(hubToken, 'hf_[removed]')
    .replace(authorization, '$1 [removed]')
    .replace(secretQuery, '$1[removed]')
    .replace(jsonSecret, '$1[removed]');
}

const anyQuery = /(\bhttps?:\/\/[^\s"'?#]+\?)[^\s"'#]+/gi;
const userInfo = /(\bhttps?:\/\/)[^\s"'/@]+@/gi;
/** As long as the export path of a mount, which is all that its server asks for. */
const exportPath = /\/[0-9a-f]{40}(?![0-9a-f])/g;
/** A shorter “secret” would tear ordinary words apart. */
const leastSecretLength = 6;

/** Stricter, for text that leaves this computer: every query of a URL goes as well, and `secrets` literally. */
export function redactForSharing(text: string, secrets: readonly string[]): string {
  let result = text;
  for (const secret of secrets) {
    if (secret.length >= leastSecretLength) result = result.replaceAll(secret, '[removed]');
  }
  return redactText(result)
    .replace(anyQuery, '$1[removed]')
    .replace(userInfo, '$1[removed]@')
    .replace(exportPath, '/[removed]');
}
