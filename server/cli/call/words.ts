// Facts of others as people read them: nothing that a terminal would obey, and amounts with a unit.

/** A text or number as it is told; anything else is not known here. */
export function fact(value: unknown): string {
  return printable(typeof value === 'string' || typeof value === 'number' ? String(value) : '?');
}

export function seconds(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`;
}

export function size(bytes: number): string {
  const unit = sizes.find(({ from }) => bytes >= from);
  return unit === undefined ? `${bytes} bytes` : `${(bytes / unit.from).toFixed(1)} ${unit.name}`;
}

const sizes = [{ from: 2 ** 30, name: 'GiB' }, { from: 2 ** 20, name: 'MiB' }, { from: 2 ** 10, name: 'KiB' }] as const;

/** A terminal must not obey what the gateway quotes; our own colours may pass. */
export function printable(line: string): string {
  return line.replace(/\u001b(?!\[\d+m)|[\0-\u001a\u001c-\u001f\u007f-\u009f]/g, '\u{fffd}');
}
