// Values of others, shown in messages: escaped, and never at length.

const shownCharsMax = 80;

/** The value as JSON writes it, cut after 80 characters. Control characters arrive escaped, so a message stays one line. */
export function quote(value: unknown): string {
  if (typeof value === 'number') return String(value);
  if (typeof value !== 'string') return cut(JSON.stringify(value) ?? String(value));
  const shown = cut(value);
  return shown === value ? JSON.stringify(value) : `${JSON.stringify(shown.slice(0, -1)).slice(0, -1)}…"`;
}

/** `text` itself, or its first 80 characters and an ellipsis; never half a character. */
export function cut(text: string): string {
  if (text.length <= shownCharsMax) return text;
  return `${text.slice(0, shownCharsMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
