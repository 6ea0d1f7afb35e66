// One news item, made from the name and text of its file.

import { marked } from 'marked';

export interface NewsItem {
  /** The file's name without its ending, e.g. `2022-09-08-go`. */
  readonly id: string;
  /** RFC 3339, midnight UTC of the day in the name. */
  readonly date: string;
  /** The text of the first heading; without one, what follows the day in the name. */
  readonly title: string;
  /** An HTML fragment, as its author wrote it. A heading it opens with is the title, and not repeated here. */
  readonly content: string;
}

/** What the name `YYYY-MM-DD-slug.md` or `.html` tells. */
export interface NewsName {
  readonly id: string;
  readonly date: string;
  readonly slug: string;
  readonly form: 'md' | 'html';
}

const namePattern = /^((\d{4}-\d{2}-\d{2})-([A-Za-z0-9][A-Za-z0-9._-]*))\.(md|html)$/;

/** Undefined when `name` is not that of a news item: another shape, or a day that is in no calendar. */
export function parseNewsName(name: string): NewsName | undefined {
  const [, id, day, slug, form] = namePattern.exec(name) ?? [];
  if (id === undefined || day === undefined || slug === undefined) return undefined;
  const date = `${day}T00:00:00Z`;
  return isReal(date) ? { id, date, slug, form: form === 'md' ? 'md' : 'html' } : undefined;
}

// 2022-02-30 parses, as the second of March.
function isReal(date: string): boolean {
  const time = new Date(date);
  return !Number.isNaN(time.getTime()) && time.toISOString().startsWith(date.slice(0, 10));
}

export function newsItem(name: NewsName, text: string): NewsItem {
  const html = (name.form === 'md' ? marked.parse(text, { async: false }) : text).trim();
  const heading = firstHeading(html);
  const title = plain(heading?.text ?? '') || name.slug;
  const content = heading?.start === 0 ? html.slice(heading.end).trimStart() : html;
  return { id: name.id, date: name.date, title, content };
}

interface Heading {
  readonly start: number;
  readonly end: number;
  /** Between the tags. */
  readonly text: string;
}

function firstHeading(html: string): Heading | undefined {
  const open = /<h([1-6])(\s[^<>]*)?>/i.exec(html);
  if (open === null) return undefined;
  const close = `</h${open[1]}>`;
  const from = open.index + open[0].length;
  const to = html.toLowerCase().indexOf(close, from);
  return to === -1 ? undefined : { start: open.index, end: to + close.length, text: html.slice(from, to) };
}

function plain(html: string): string {
  return html.replace(/<[^>]*>/g, '').replace(/&(#\d{1,7}|\w{1,8});/g, decoded).replace(/\s+/g, ' ').trim();
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function decoded(entity: string, name: string): string {
  if (!name.startsWith('#')) return entities[name] ?? entity;
  const code = Number(name.slice(1));
  return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
}
