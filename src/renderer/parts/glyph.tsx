// Small signs: the state of a mount, each with a shape of its own, and the kind of a source.

import {
  ArrowDownToLine,
  ArrowUpFromLine,
  Box,
  CircleCheck,
  CircleDashed,
  CirclePause,
  Clock,
  CloudOff,
  Database,
  Dot,
  Folder,
  GitFork,
  LoaderCircle,
  PackageOpen,
  Sparkles,
  TriangleAlert,
} from 'lucide-react';
import type { LucideIcon } from 'lucide-react';
import type { Glyph } from '../text/mount-sentence.ts';

const glyphs: Readonly<Record<Glyph, LucideIcon>> = {
  off: CircleDashed,
  moving: LoaderCircle,
  idle: CircleCheck,
  active: Dot,
  up: ArrowUpFromLine,
  down: ArrowDownToLine,
  waiting: Clock,
  paused: CirclePause,
  offline: CloudOff,
  conflict: GitFork,
  attention: TriangleAlert,
};

/** Decoration beside a sentence that says the same. */
export function StateGlyph({ glyph }: { readonly glyph: Glyph }) {
  const Icon = glyphs[glyph];
  return <Icon className={`glyph glyph-${glyph}`} aria-hidden />;
}

const kinds: Readonly<Record<string, LucideIcon>> = {
  bucket: PackageOpen,
  model: Box,
  dataset: Database,
  space: Sparkles,
};

export function KindIcon({ kind }: { readonly kind: string }) {
  const Icon = kinds[kind] ?? Folder;
  return <Icon className="kind-icon" aria-hidden />;
}
