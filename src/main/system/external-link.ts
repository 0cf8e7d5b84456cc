// Which addresses the panel may hand to the person's browser: pages of the Hub in use and of huggingface.co, nothing else. Pure.

const hubHosts: readonly string[] = ['huggingface.co', 'hf.co'];

/** The address to open outside, or null when it is refused. */
export function externalTarget(address: string, endpoint: string | null): string | null {
  if (!URL.canParse(address)) return null;
  const url = new URL(address);
  if (url.username !== '' || url.password !== '') return null;
  if (url.protocol === 'https:' && hubHosts.includes(url.host)) return url.href;
  const isHub = endpoint !== null && URL.canParse(endpoint) && new URL(endpoint).origin === url.origin;
  return isHub && /^https?:$/.test(url.protocol) ? url.href : null;
}
