// Builds a news item from the name and the text of its file.

import { marked } from 'marked';
import { isCalendarDate, type NewsText } from './front-matter.ts';

export interface NewsItem {
  /** File name without its extension, such as `2022-09-08-go`. */
  readonly id: string;
  /** RFC 3339: the date of the front matter, or midnight UTC of the date in the name. */
  readonly date: string;
  /** Title of the front matter, text of the first heading, or the part of the name after the date. */
  readonly title: string;
  /** The author's HTML fragment, without the heading that is the title. */
  readonly content: string;
}

/** Parts of a name `YYYY-MM-DD-slug.md` or `.html`. */
export interface NewsName {
  readonly id: string;
  readonly date: string;
  readonly slug: string;
  readonly form: 'md' | 'html';
}

const namePattern = /^((\d{4}-\d{2}-\d{2})-([A-Za-z0-9][A-Za-z0-9._-]*))\.(md|html)$/;

/** Returns undefined for a name of another form and for an invalid date. */
export function parseNewsName(name: string): NewsName | undefined {
  const [, id, day, slug, form] = namePattern.exec(name) ?? [];
  if (id === undefined || day === undefined || slug === undefined) return undefined;
  const date = `${day}T00:00:00Z`;
  return isCalendarDate(day) ? { id, date, slug, form: form === 'md' ? 'md' : 'html' } : undefined;
}

/** Values of the front matter replace the date of the name and the first heading. */
export function newsItem(name: NewsName, { text, title: frontTitle, date = name.date }: NewsText): NewsItem {
  const html = (name.form === 'md' ? marked.parse(text, { async: false }) : text).trim();
  const heading = firstHeading(html);
  const headingTitle = plainText(heading?.text ?? '');
  const title = frontTitle || headingTitle || name.slug;
  const content = heading?.start === 0 && headingTitle === title ? html.slice(heading.end).trimStart() : html;
  return { id: name.id, date, title, content };
}

interface Heading {
  readonly start: number;
  readonly end: number;
  /** Text between the tags. */
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

function plainText(html: string): string {
  return html
    .replace(/<[^>]*>/g, '')
    .replace(/&(#\d{1,7}|\w{1,8});/g, decodeEntity)
    .replace(/\s+/g, ' ')
    .trim();
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function decodeEntity(entity: string, name: string): string {
  if (!name.startsWith('#')) return entities[name] ?? entity;
  const code = Number(name.slice(1));
  return code <= 0x10ffff ? String.fromCodePoint(code) : entity;
}
