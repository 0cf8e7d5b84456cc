// The errors that the embedded Hub answers on purpose, in the Hub's own shape: status, `X-Error-Code`,
// `X-Error-Message` and `{error}`. Everything else that is thrown becomes a 500 in `http-server.ts`.

/** Codes that clients look for in `X-Error-Code`. */
export type RefusalCode =
  'RepoNotFound' | 'RevisionNotFound' | 'EntryNotFound' | 'GatedRepo' | 'DisabledRepo' | 'RateLimited';

export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: RefusalCode | null;
  readonly headers: Readonly<Record<string, string>>;
  /** Further fields of the JSON body beside `error`. */
  readonly body: Readonly<Record<string, unknown>>;

  constructor(
    status: number,
    message: string,
    details: {
      code?: RefusalCode;
      headers?: Readonly<Record<string, string>>;
      body?: Readonly<Record<string, unknown>>;
      cause?: unknown;
    } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.status = status;
    this.code = details.code ?? null;
    this.headers = details.headers ?? {};
    this.body = details.body ?? {};
  }
}

export function badRequest(message: string, cause?: unknown): Refusal {
  return new Refusal(400, message, cause === undefined ? {} : { cause });
}

export function entryNotFound(what: string): Refusal {
  return new Refusal(404, `Entry not found: ${what}`, { code: 'EntryNotFound' });
}
