// Whether there is room for the sections beside the view; the same width as in layout.css.

import { useSyncExternalStore } from 'react';

const wide = matchMedia('(min-width: 46rem)');

function subscribe(listener: () => void): () => void {
  wide.addEventListener('change', listener);
  return () => wide.removeEventListener('change', listener);
}

export function useIsWide(): boolean {
  return useSyncExternalStore(subscribe, () => wide.matches);
}
