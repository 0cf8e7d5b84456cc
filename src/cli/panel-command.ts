// `panel`: prints a fresh address of the running host's panel, for one browser.

import type { Command } from './command.ts';
import { Connection, currentPlaces } from './connection.ts';

export const panelCommand: Command = {
  name: 'panel',
  usage: 'panel',
  summary: 'print an address that opens the panel in a browser',
  details: ['The address lets in one browser, once; after that the browser is known until the host ends.'],
  form: { flags: [], options: [], minPositionals: 0, maxPositionals: 0 },
  async run(_parsed, { out, err }) {
    const connection = await Connection.open(currentPlaces().controlSocketPath);
    if (connection === null) {
      err('hubdrive panel: no Hubdrive host is running. Start one with: hubdrive serve\n');
      return 1;
    }
    try {
      const { url } = await connection.call('panel:address', null);
      if (url === null) {
        err('hubdrive panel: this host serves no panel\n');
        return 1;
      }
      out(`${url}\n`);
      return 0;
    } finally {
      connection.close();
    }
  },
};
