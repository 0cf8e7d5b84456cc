// Buttons in the panel's looks over the accessible base.

import type { ReactNode } from 'react';
import { Button as BaseButton, Link as BaseLink } from 'react-aria-components';
import type { ButtonProps as BaseProps } from 'react-aria-components';

export interface ButtonProps extends Omit<BaseProps, 'children' | 'className' | 'style'> {
  readonly look?: 'plain' | 'primary' | 'danger' | 'quiet';
  /** A square button with an icon only; needs an `aria-label`. */
  readonly square?: boolean;
  readonly children: ReactNode;
}

export function Button({ look = 'plain', square = false, children, ...rest }: ButtonProps) {
  return (
    <BaseButton {...rest} className={`button button-${look}${square ? ' button-square' : ''}`}>
      {children}
    </BaseButton>
  );
}

/** Opens in the system's browser, with nothing told to that page about this one. */
export function OutsideLink({ href, children }: { readonly href: string; readonly children: ReactNode }) {
  return (
    <BaseLink href={href} target="_blank" rel="noreferrer noopener" className="outside-link">
      {children}
    </BaseLink>
  );
}
