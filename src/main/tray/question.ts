// A question with a few buttons, as plain data: worded by pure functions, shown by whatever dialog a shell has.

export interface Question<C extends string> {
  readonly message: string;
  readonly detail: string;
  readonly buttons: readonly string[];
  /** One per button. */
  readonly choices: readonly C[];
  readonly defaultChoice: C;
  /** What Escape and closing the dialog mean. */
  readonly cancelChoice: C;
}
