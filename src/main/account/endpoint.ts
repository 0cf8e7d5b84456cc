// Which Hub is used besides the embedded one: the address given, else `HF_ENDPOINT`, else the Hub itself. For the shells.

const defaultEndpoint = 'https://huggingface.co';

/** Without a slash at the end. Throws with a text for the person when it is no web address. */
export function hubEndpoint(env: NodeJS.ProcessEnv, given?: string): string {
  const endpoint = (given ?? env['HF_ENDPOINT']) || defaultEndpoint;
  if (!URL.canParse(endpoint) || !/^https?:\/\//.test(endpoint))
    throw new Error(`"${endpoint}" is not an http(s) URL`);
  return endpoint.replace(/\/+$/, '');
}
