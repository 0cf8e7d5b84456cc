// A long list of which only the visible rows exist in the page. All rows are equally high (`--row` in CSS). One tab stop; arrow keys, page
// keys, Home and End move through it, Enter and a click choose a row.

import { useCallback, useId, useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, MouseEvent, ReactNode } from 'react';

interface VirtualListProps<R extends { readonly key: number }> {
  readonly label: string;
  readonly rows: readonly R[];
  readonly chosenKey: number | null;
  readonly onChoose: (row: R | null) => void;
  /** Whether the top of the list is in sight. */
  readonly onAtTop: (isAtTop: boolean) => void;
  readonly renderRow: (row: R) => ReactNode;
}

/** Rows kept above and below what is visible, so that a quick scroll does not show gaps. */
const spareRows = 6;

export function VirtualList<R extends { readonly key: number }>(props: VirtualListProps<R>) {
  const { label, rows, chosenKey, onChoose, onAtTop, renderRow } = props;
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const { rowHeight, viewHeight } = useSizes(list);
  const [scrollTop, setScrollTop] = useState(0);
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - spareRows);
  const last = Math.min(rows.length, Math.ceil((scrollTop + viewHeight) / rowHeight) + spareRows);

  const onScroll = useCallback(() => {
    const top = list.current?.scrollTop ?? 0;
    setScrollTop(top);
    onAtTop(top < 4);
  }, [onAtTop]);

  const choose = (index: number) => {
    const row = rows[Math.max(0, Math.min(rows.length - 1, index))];
    const element = list.current;
    if (row === undefined || element === null) return;
    onChoose(row);
    const top = rows.indexOf(row) * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight > element.scrollTop + viewHeight)
      element.scrollTop = top + rowHeight - viewHeight;
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const at = rows.findIndex((row) => row.key === chosenKey);
    const page = Math.max(1, Math.floor(viewHeight / rowHeight) - 1);
    const target = keyTarget(event.key, at, page, rows.length);
    if (event.key === 'Escape' && chosenKey !== null) onChoose(null);
    else if (target === null) return;
    else choose(target);
    event.preventDefault();
    event.stopPropagation();
  };
  const onClick = (event: MouseEvent) => {
    const element = list.current;
    if (element === null) return;
    const distance = event.clientY - element.getBoundingClientRect().top + element.scrollTop;
    const row = rows[Math.floor(distance / rowHeight)];
    if (row !== undefined) onChoose(row.key === chosenKey ? null : row);
  };
  const isChosenDrawn = rows.slice(first, last).some((row) => row.key === chosenKey);
  return (
    <div
      ref={list}
      className="virtual-list"
      role="listbox"
      aria-label={label}
      aria-activedescendant={isChosenDrawn ? `${id}-${chosenKey}` : undefined}
      tabIndex={0}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
      onClick={onClick}
    >
      <div className="virtual-space" style={{ height: rows.length * rowHeight }} role="presentation">
        {rows.slice(first, last).map((row, offset) => (
          // The list keeps the focus and points at the chosen row.
          // oxlint-disable-next-line jsx-a11y/interactive-supports-focus
          <div
            key={row.key}
            id={`${id}-${row.key}`}
            role="option"
            className="virtual-row"
            aria-selected={row.key === chosenKey}
            aria-setsize={rows.length}
            aria-posinset={first + offset + 1}
            style={{ transform: `translateY(${(first + offset) * rowHeight}px)` }}
          >
            {renderRow(row)}
          </div>
        ))}
      </div>
    </div>
  );
}

/** The index that a key leads to, null for keys that mean nothing here. `at` is -1 without a chosen row. */
function keyTarget(key: string, at: number, page: number, count: number): number | null {
  switch (key) {
    case 'ArrowDown':
      return at + 1;
    case 'ArrowUp':
      return at < 0 ? 0 : at - 1;
    case 'PageDown':
      return at + page;
    case 'PageUp':
      return at - page;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return null;
  }
}

/** Row height follows the text size, so it is measured. */
function useSizes(list: { readonly current: HTMLDivElement | null }) {
  const [sizes, setSizes] = useState({ rowHeight: 32, viewHeight: 400 });
  useLayoutEffect(() => {
    const element = list.current;
    if (element === null) return undefined;
    const measure = () => {
      const probe = document.createElement('div');
      probe.className = 'virtual-probe';
      element.append(probe);
      const rowHeight = Math.max(8, probe.getBoundingClientRect().height);
      probe.remove();
      const viewHeight = element.clientHeight;
      setSizes((before) =>
        before.rowHeight === rowHeight && before.viewHeight === viewHeight
          ? before
          : { rowHeight, viewHeight },
      );
    };
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, [list]);
  return sizes;
}
