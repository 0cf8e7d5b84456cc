// What a view shows instead of its content: nothing yet, loading, or a problem with the next step.

import type { ReactNode } from 'react';
import { TriangleAlert } from 'lucide-react';
import { ProgressBar } from 'react-aria-components';
import type { ErrorCode, Problem } from '../../shared/model.ts';
import { strings } from '../text/strings.ts';
import { Button } from './button.tsx';

interface EmptyProps {
  readonly icon: ReactNode;
  readonly title: string;
  readonly children?: ReactNode;
  readonly action?: ReactNode;
}

export function Empty({ icon, title, children, action }: EmptyProps) {
  return (
    <div className="empty">
      <div className="empty-icon" aria-hidden>
        {icon}
      </div>
      <h2>{title}</h2>
      {children !== undefined && <p>{children}</p>}
      {action}
    </div>
  );
}

export function Loading({ label = strings.loading }: { readonly label?: string }) {
  return (
    <ProgressBar isIndeterminate aria-label={label} className="loading">
      <span className="spinner" aria-hidden />
      <span>{label}</span>
    </ProgressBar>
  );
}

interface ProblemNoteProps {
  readonly problem: Problem;
  readonly onRetry?: (() => void) | undefined;
  readonly onDismiss?: (() => void) | undefined;
  /** A button that helps with this very problem. */
  readonly action?: ReactNode;
}

export function ProblemNote({ problem, onRetry, onDismiss, action }: ProblemNoteProps) {
  const hint = hintOf(problem.code);
  return (
    <div className="problem" role="alert">
      <TriangleAlert className="glyph glyph-attention" aria-hidden />
      <div className="problem-text">
        <p>{problem.message}</p>
        {hint !== null && <p className="quiet">{hint}</p>}
      </div>
      <div className="problem-actions">
        {action}
        {onRetry !== undefined && <Button onPress={onRetry}>{strings.retry}</Button>}
        {onDismiss !== undefined && (
          <Button look="quiet" onPress={onDismiss}>
            {strings.dismiss}
          </Button>
        )}
      </div>
    </div>
  );
}

function hintOf(code: ErrorCode): string | null {
  const hints: Partial<Record<ErrorCode, string>> = strings.errors;
  return hints[code] ?? null;
}
