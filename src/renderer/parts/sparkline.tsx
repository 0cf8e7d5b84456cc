// A tiny curve of a rate over the last minute. Decoration with a name: the number beside it says the same in words.

interface SparklineProps {
  readonly values: readonly number[];
  readonly label: string;
  readonly look: 'read' | 'write';
}

const width = 120;
const height = 24;
/** Below this a curve would only show noise: bytes a second. */
const smallestScale = 64 * 1024;

export function Sparkline({ values, label, look }: SparklineProps) {
  const scale = Math.max(smallestScale, ...values);
  const step = width / Math.max(1, values.length - 1);
  const points = values.map((value, index) => {
    const x = (index * step).toFixed(1);
    return `${x},${(height - 1 - (value / scale) * (height - 2)).toFixed(1)}`;
  });
  const line = points.join(' ');
  return (
    <svg
      className={`sparkline sparkline-${look}`}
      viewBox={`0 0 ${width} ${height}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      <polygon points={`0,${height} ${line} ${width},${height}`} />
      <polyline points={line} />
    </svg>
  );
}
