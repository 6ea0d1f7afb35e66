// Formats values for a terminal: control characters replaced, amounts with a unit.

/** Returns a string or number without control characters; `?` for any other value. */
export function printableValue(value: unknown): string {
  return printable(typeof value === 'string' || typeof value === 'number' ? String(value) : '?');
}

export function formatDuration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function formatSize(bytes: number): string {
  const unit = sizes.find(({ from }) => bytes >= from);
  return unit === undefined ? `${bytes} bytes` : `${(bytes / unit.from).toFixed(1)} ${unit.name}`;
}

const sizes = [
  { from: 2 ** 30, name: 'GiB' },
  { from: 2 ** 20, name: 'MiB' },
  { from: 2 ** 10, name: 'KiB' },
] as const;

/**
 * Replaces control characters with U+FFFD, so that text from the gateway cannot control the terminal. Keeps colours.
 */
export function printable(line: string): string {
  return line.replace(/\u001b(?!\[\d+m)|[\0-\u001a\u001c-\u001f\u007f-\u009f]/g, '\u{fffd}');
}
