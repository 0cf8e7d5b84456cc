// One line of activity.

import {
  ArrowDownToLine,
  ArrowUpFromLine,
  CircleAlert,
  CirclePlus,
  CloudDownload,
  FilePenLine,
  FileX2,
  FolderPlus,
  GitFork,
  Link2,
  OctagonAlert,
  PenLine,
  Save,
  Scissors,
  TextCursorInput,
} from 'lucide-react';
import type { LucideIcon } from 'lucide-react';
import { memo } from 'react';
import type { ActivityKind } from '../../shared/activity.ts';
import type { FeedRow } from '../store/activity-feed.ts';
import { formatBytes } from '../../shared/bytes.ts';
import { formatClock, formatDuration, formatRate, splitSource } from '../text/format.ts';
import { strings } from '../text/strings.ts';

const icons: Readonly<Record<ActivityKind, LucideIcon>> = {
  READ: ArrowDownToLine,
  WRITE: PenLine,
  COMMIT: Save,
  CREATE: CirclePlus,
  TRUNCATE: Scissors,
  MKDIR: FolderPlus,
  RENAME: TextCursorInput,
  LINK: Link2,
  REMOVE: FileX2,
  STALE: OctagonAlert,
  ERROR: CircleAlert,
  UPLOAD: ArrowUpFromLine,
  REMOTE: CloudDownload,
  CONFLICT: GitFork,
};
const unknownIcon = FilePenLine;

export const ActivityRow = memo(function ActivityRow({
  row,
  namesMount,
}: {
  readonly row: FeedRow;
  readonly namesMount: boolean;
}) {
  // A newer host may know kinds that this page does not.
  const Icon = (icons as Partial<Record<string, LucideIcon>>)[row.kind] ?? unknownIcon;
  const path = row.path === '' ? strings.activity.root : row.path;
  const nameAt = path.lastIndexOf('/') + 1;
  const speed = row.bytes > 0 && row.durationMs > 0 ? formatRate((row.bytes * 1000) / row.durationMs) : '';
  return (
    <div className="activity-row" data-kind={row.kind}>
      <span className="activity-time">{formatClock(row.lastAt)}</span>
      <span className="activity-kind">
        <Icon aria-hidden />
        {row.kind}
      </span>
      <span className="activity-path" title={path}>
        <span className="activity-folder">
          {namesMount && `${splitSource(row.source).name}/`}
          {path.slice(0, nameAt)}
        </span>
        <span className="activity-name">
          {path.slice(nameAt)}
          {row.toPath !== null && ` → ${row.toPath}`}
        </span>
        {row.detail !== null && <span className="activity-detail">{row.detail}</span>}
      </span>
      <span className="activity-count">{row.count > 1 && strings.activity.times(row.count)}</span>
      <span className="activity-size">{row.bytes > 0 && formatBytes(row.bytes)}</span>
      <span className="activity-speed">{speed}</span>
      <span className="activity-took">{row.durationMs > 0 && formatDuration(row.durationMs)}</span>
    </div>
  );
});
