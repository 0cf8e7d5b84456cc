// Amounts of bytes as a person reads them, the same in tray, panel, command line and errors. Pure.

const units = ['bytes', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units, as Finder, Files and the Hub show them. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return bytes === 1 ? '1 byte' : `${Math.round(bytes)} bytes`;
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit] ?? ''}`;
}
