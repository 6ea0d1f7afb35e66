// Quotes foreign values for messages: escaped and shortened.

const shownCharsMax = 80;

/** Returns the value as JSON, cut after 80 characters. JSON escapes control characters, so a message stays one line. */
export function quote(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return truncate(JSON.stringify(value) ?? String(value));
  const shown = truncate(value);
  return shown === value ? JSON.stringify(value) : `${JSON.stringify(shown.slice(0, -1)).slice(0, -1)}…"`;
}

/** Returns `text`, or its first 80 characters and an ellipsis. Never splits a surrogate pair. */
export function truncate(text: string): string {
  if (text.length <= shownCharsMax) return text;
  return `${text.slice(0, shownCharsMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
