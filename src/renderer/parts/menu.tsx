// A button that opens a menu of actions. Entries that make no sense in a state are left out by the caller, not shown dead.

import type { ReactNode } from 'react';
import { Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components';
import { Ellipsis } from 'lucide-react';
import { Button } from './button.tsx';

export interface MenuEntry {
  readonly id: string;
  readonly text: string;
  readonly icon: ReactNode;
  readonly isDangerous?: boolean;
  readonly onAction: () => void;
}

export function MoreMenu({
  label,
  entries,
}: {
  readonly label: string;
  readonly entries: readonly MenuEntry[];
}) {
  return (
    <MenuTrigger>
      <Button look="quiet" square aria-label={label}>
        <Ellipsis aria-hidden />
      </Button>
      <Popover className="popover" placement="bottom end">
        <Menu className="menu" aria-label={label}>
          {entries.map((entry) => (
            <MenuItem
              key={entry.id}
              id={entry.id}
              textValue={entry.text}
              className={entry.isDangerous === true ? 'menu-item menu-item-danger' : 'menu-item'}
              onAction={entry.onAction}
            >
              {entry.icon}
              {entry.text}
            </MenuItem>
          ))}
        </Menu>
      </Popover>
    </MenuTrigger>
  );
}
