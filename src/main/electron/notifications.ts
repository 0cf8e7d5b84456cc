// Shows notices as notifications of the system; a click on one opens the panel.

import { Notification } from 'electron';
import type { Notice } from '../tray/notices.ts';

/** Older ones are let go: the system has forgotten them too. */
const maxHeld = 20;

export class Notifications {
  readonly #onClick: () => void;
  /** One that is collected as garbage loses its click. */
  readonly #held: Notification[] = [];

  constructor(onClick: () => void) {
    this.#onClick = onClick;
  }

  tellUpdate(version: string): void {
    this.show({
      title: `Hubdrive ${version} is available`,
      body: 'Your system’s package manager installs it.',
    });
  }

  show({ title, body }: Pick<Notice, 'title' | 'body'>): void {
    if (!Notification.isSupported()) return;
    const notification = new Notification({ title, body });
    notification.on('click', this.#onClick);
    notification.show();
    this.#held.push(notification);
    if (this.#held.length > maxHeld) this.#held.shift();
  }
}
