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

interface MoreMenuProps {
  readonly label: string;
  readonly entries: readonly MenuEntry[];
}

export function MoreMenu({ label, entries }: MoreMenuProps) {
  return (
    <ButtonMenu
      label={label}
      entries={entries}
      button={
        <Button look="quiet" square aria-label={label}>
          <Ellipsis aria-hidden />
        </Button>
      }
    />
  );
}

interface ButtonMenuProps extends MoreMenuProps {
  readonly button: ReactNode;
}

export function ButtonMenu({ label, entries, button }: ButtonMenuProps) {
  return (
    <MenuTrigger>
      {button}
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
