// Modal dialogs: a plain one with a title, and a question with buttons. Focus, Escape and the return of focus come from the base.

import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';
import { X } from 'lucide-react';
import { strings } from '../text/strings.ts';
import { Button } from './button.tsx';

interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ReactNode;
}

/** A large dialog for a task; fills a small window. */
export function TaskDialog({ title, onClose, children }: DialogProps) {
  return (
    <ModalOverlay isOpen isDismissable onOpenChange={(open) => !open && onClose()} className="overlay">
      <Modal className="sheet">
        <Dialog className="sheet-dialog">
          <header className="sheet-head">
            <Heading slot="title" level={2}>
              {title}
            </Heading>
            <Button look="quiet" square aria-label={strings.close} onPress={onClose}>
              <X aria-hidden />
            </Button>
          </header>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Asks something that must be answered. `actions` go in order of reading, the safe one last gets the focus ring first. */
export function Question({
  title,
  onClose,
  children,
  actions,
}: DialogProps & { readonly actions: ReactNode }) {
  return (
    <ModalOverlay isOpen onOpenChange={(open) => !open && onClose()} className="overlay overlay-question">
      <Modal className="question">
        <Dialog role="alertdialog" className="question-dialog">
          <Heading slot="title" level={2}>
            {title}
          </Heading>
          <div className="question-text">{children}</div>
          <div className="question-actions">{actions}</div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}
