// Splits a news file into its YAML front matter and its text.

import { readYaml } from '../../yaml/read-document.ts';

export interface NewsText {
  /** Plain text. Absent: the file does not set it. */
  readonly title?: string;
  /** RFC 3339 in UTC. Absent: the file does not set it. */
  readonly date?: string;
  /** The text after the front matter. */
  readonly text: string;
  /** Why the front matter, or only its date, is ignored. */
  readonly warning?: string;
}

const frontMatter = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?\r?\n)??(?:---|\.\.\.)[ \t]*(?:\r?\n|$)/;

/** Returns the whole text if it does not begin with front matter. A rule (`---`) at the start is no front matter. */
export function splitFrontMatter(file: string): NewsText {
  const [all, yaml = ''] = frontMatter.exec(file) ?? [];
  if (all === undefined || !/^(?:\s*(?:#.*)?\n)*["']?[\w-]+["']?\s*:/.test(yaml)) return { text: file };
  const text = file.slice(all.length);
  const { document, errors } = readYaml(yaml);
  if (errors.length > 0) return { text, warning: `the front matter is not valid YAML: ${errors[0]!.message}` };
  const { title, date } = document.toJS({ maxAliasCount: 0 }) as Readonly<Record<string, unknown>>;
  return { text, ...readTitle(title), ...readDate(date) };
}

function readTitle(title: unknown): Pick<NewsText, 'title'> {
  return typeof title === 'string' || typeof title === 'number' ? { title: String(title).trim() } : {};
}

const datePattern = /^(\d{4}-\d\d-\d\d)(?:[T ]+(\d\d:\d\d(?::\d\d)?)(?:\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?)?$/i;

/** A date without a time is midnight, and a time without a zone is in UTC. */
function readDate(date: unknown): Pick<NewsText, 'date' | 'warning'> {
  if (date === undefined || date === null) return {};
  const [, day, clock = '00:00:00', zone = 'Z'] = datePattern.exec(String(date).trim()) ?? [];
  const time = new Date(`${day}T${clock}${zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2')}`);
  if (day === undefined || Number.isNaN(time.getTime()) || !isCalendarDate(day))
    return { warning: 'the date of the front matter is not a date such as 2026-01-15 or 2026-01-15T10:00:00Z' };
  return { date: time.toISOString().replace('.000Z', 'Z') };
}

/**
 * Returns true for a day of the calendar. JavaScript parses 2022-02-30 as 2 March, so the parsed date is compared with
 * `day`.
 */
export function isCalendarDate(day: string): boolean {
  const time = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(day);
}
