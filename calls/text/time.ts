// Parses times: RFC 3339, such as `2026-11-22T10:30:00Z`.

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i;

/** Returns the time in UTC with milliseconds, as in run records; undefined if the text is not a time. */
export function parseTime(text: string): string | undefined {
  const time = rfc3339.test(text) ? new Date(text) : undefined;
  return time === undefined || Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
