// `hubdrive://` addresses as the system hands them over: one at a time, each asked about before anything is mounted.

import { app } from 'electron';
import type { MountArgument } from '../../shared/contract.ts';
import { deepLinkScheme, findDeepLink, mountQuestion, parseDeepLink } from '../tray/deep-link.ts';
import { problemOf } from '../problem.ts';
import { failureQuestion } from '../tray/tray-actions.ts';
import type { TrayTools } from '../tray/tray-actions.ts';

/** A page may open addresses in a loop; the person is asked about one, and these wait. */
const maxWaiting = 3;

export class DeepLinks {
  readonly #tools: TrayTools;
  readonly #isReady: () => boolean;
  readonly #waiting: string[] = [];
  #isAsking = false;

  constructor(tools: TrayTools, isReady: () => boolean) {
    this.#tools = tools;
    this.#isReady = isReady;
    // A packaged Linux app is registered by its desktop entry, macOS by its property list; this covers runs from source.
    app.setAsDefaultProtocolClient(deepLinkScheme);
  }

  /** Whether there was one among a second start's arguments. */
  openFrom(argv: readonly string[]): boolean {
    const link = findDeepLink(argv);
    if (link !== null) this.open(link);
    return link !== null;
  }

  open(link: string): void {
    if (this.#waiting.length < maxWaiting) this.#waiting.push(link);
    void this.#next();
  }

  /** Links that came before a host could mount are asked about. */
  hostIsReady(): void {
    void this.#next();
  }

  async #next(): Promise<void> {
    if (this.#isAsking || !this.#isReady()) return;
    const link = this.#waiting.shift();
    if (link === undefined) return;
    this.#isAsking = true;
    try {
      await this.#handle(link);
    } catch (error) {
      await this.#tools.ask(failureQuestion(problemOf(error)));
    } finally {
      this.#isAsking = false;
    }
    await this.#next();
  }

  async #handle(text: string): Promise<void> {
    const link = parseDeepLink(text);
    switch (link.type) {
      case 'open':
        return this.#tools.openPanel();
      case 'refused':
        throw new Error(`This link cannot be followed: ${link.reason}`);
      case 'mount':
        return await this.#mount(link.argument);
    }
  }

  async #mount(argument: MountArgument): Promise<void> {
    const choice = await this.#tools.ask(mountQuestion(argument));
    const host = this.#tools.host();
    if (choice === 'cancel' || host === null) return;
    const readOnly = choice === 'read-only';
    const mount = await host.handlers['mounts:mount']({ ...argument, readOnly }, host.caller);
    await host.handlers['mounts:open']({ mountId: mount.id }, host.caller);
  }
}
