// Tests news items and the reader of their folder.

import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { splitFrontMatter } from '../../server/http/news/front-matter.ts';
import type { NewsItem } from '../../server/http/news/news-item.ts';
import { newsItem, parseNewsName } from '../../server/http/news/news-item.ts';
import { createNewsReader, newsBytesMax, newsFilesMax } from '../../server/http/news/read-news.ts';
import type { Logger } from '../../server/support/logger.ts';

describe('the name of a news file', () => {
  it('the name of a news file yields id, date and slug', () => {
    expect(parseNewsName('2022-09-08-go.md')).to.deep.equal({
      id: '2022-09-08-go',
      date: '2022-09-08T00:00:00Z',
      slug: 'go',
      form: 'md',
    });
    expect(parseNewsName('2024-02-29-a.b_c.html')).to.include({ id: '2024-02-29-a.b_c', form: 'html' });
  });

  for (const name of [
    'go.md',
    '2022-09-08.md',
    '2022-09-08-.md',
    '2022-9-8-go.md',
    '2022-02-30-go.md',
    '2022-13-01-go.md',
    '2023-02-29-go.md',
    '2022-09-08-go.txt',
    '2022-09-08-go',
    '.2022-09-08-go.md',
    '2022-09-08-go.md~',
    '2022-09-08-ü.md',
    '',
  ]) {
    it(`the name "${name}" is not the name of a news file`, () => expect(parseNewsName(name)).to.equal(undefined));
  }
});

describe('the text of a news item', () => {
  const item = (name: string, text: string): NewsItem =>
    newsItem(parseNewsName(name) ?? { id: '', date: '', slug: '', form: 'md' }, splitFrontMatter(text));

  it('the first heading of a news file is its title and is not repeated in the content', () => {
    expect(item('2022-09-08-go.md', '# We *go* &amp; <b>see</b>\n\ntext\n\n# More')).to.deep.include({
      title: 'We go & see',
      content: '<p>text</p>\n<h1>More</h1>',
    });
    expect(item('2022-09-08-go.html', '<h2 class="x">Hello\n there</h2>\n<p>x</p>')).to.deep.include({
      title: 'Hello there',
      content: '<p>x</p>',
    });
  });

  it('a heading that does not open the news file stays in the content', () => {
    expect(item('2022-09-08-go.md', 'intro\n\n## Later')).to.deep.include({
      title: 'Later',
      content: '<p>intro</p>\n<h2>Later</h2>',
    });
  });

  it('the slug is the title of a news file whose headings have no text', () => {
    for (const text of ['', 'no heading', '#', '```\n# code\n```', '<header>x</header>'])
      expect(item('2022-09-08-go-on.md', text).title).to.equal('go-on');
  });

  it('a news file full of unclosed tags is read in a short time', () => {
    const began = performance.now();
    for (const tag of ['<h1>', '<h1 ', '<', '&#'])
      expect(item('2022-09-08-go.html', tag.repeat(newsBytesMax / tag.length)).title).to.equal('go');
    expect(performance.now() - began).to.be.below(1000);
  });

  it('the title of a news item decodes known entities and leaves unknown ones', () => {
    expect(item('2022-09-08-go.html', '<h1>&lt;&#65;&quot;&#99999999;&#1114112;&what;</h1>').title).to.equal(
      '<A"&#99999999;&#1114112;&what;',
    );
  });
});

describe('the front matter of a news file', () => {
  const item = (text: string, form: 'md' | 'html' = 'md'): NewsItem & { warning?: string | undefined } => {
    const split = splitFrontMatter(text);
    return { ...newsItem(parseNewsName(`2026-01-15-moved.${form}`)!, split), warning: split.warning };
  };

  for (const [title, text] of [
    ['with line feeds', '---\ntitle: We moved\ndate: 2026-02-01\n---\n\nText\n'],
    ['with carriage returns', '---\r\ntitle: We moved\r\ndate: 2026-02-01\r\n---\r\n\r\nText\r\n'],
    ['after a byte order mark', '\uFEFF---\ntitle: "We moved"\ndate: "2026-02-01"\n---\nText'],
    ['that ends with dots', "---\ntitle: 'We moved'\ndate: 2026-02-01\n...\nText"],
    ['with comments and other keys', '---\n# by us\n\ntags: [a, b]\ntitle: We moved\ndate: 2026-02-01\n--- \nText'],
    ['before the same heading', '---\ntitle: We moved\ndate: 2026-02-01\n---\n# We moved\n\nText'],
  ] as const)
    it(`C5: front matter ${title} gives title and date, and is not part of the content`, () =>
      expect(item(text)).to.deep.include({
        title: 'We moved',
        date: '2026-02-01T00:00:00Z',
        content: '<p>Text</p>',
        warning: undefined,
      }));

  it('C5: front matter of an HTML file gives the title, and is not part of the content', () =>
    expect(item('---\ntitle: A & B\n---\n<p>x</p>\n', 'html')).to.deep.include({
      title: 'A & B',
      date: '2026-01-15T00:00:00Z',
      content: '<p>x</p>',
    }));

  it('C5: a heading that differs from the title of the front matter stays in the content', () =>
    expect(item('---\ntitle: We moved\n---\n# Where to\n')).to.deep.include({
      title: 'We moved',
      content: '<h1>Where to</h1>',
    }));

  for (const [date, expected] of [
    ['2026-02-01T10:20:30Z', '2026-02-01T10:20:30Z'],
    ['2026-02-01T10:20:30+02:00', '2026-02-01T08:20:30Z'],
    ['2026-02-01 10:20:30 +0200', '2026-02-01T08:20:30Z'],
    ['2026-02-01 10:20', '2026-02-01T10:20:00Z'],
  ] as const)
    it(`C5: the date ${date} of front matter is ${expected}`, () =>
      expect(item(`---\ndate: ${date}\n---\n# Title\n`)).to.deep.include({ date: expected, title: 'Title' }));

  for (const date of ['2026-02-30', 'tomorrow', '[1, 2]', '2026'])
    it(`C5: the date ${date} of front matter is ignored with a warning`, () => {
      const { date: read, warning } = item(`---\ndate: ${date}\n---\nText`);
      expect(read).to.equal('2026-01-15T00:00:00Z');
      expect(warning).to.contain('not a date');
    });

  it('C5: front matter that is not valid YAML is not part of the content, and causes a warning', () => {
    const { title, content, warning } = item('---\ntitle: We moved: again\n---\n# Moved\n\nText');
    expect([title, content]).to.deep.equal(['Moved', '<p>Text</p>']);
    expect(warning).to.contain('not valid YAML');
  });

  for (const text of ['---\n\nText\n\n---\n', '---\nText\n', '- - -\ntitle: x\n---\n', 'Text\n---\ntitle: x\n---\n'])
    it(`C5: ${JSON.stringify(text)} has no front matter`, () => expect(splitFrontMatter(text)).to.deep.equal({ text }));

  it('C5: a long file without the end of its front matter is read as text', () => {
    for (const line of ['title: x\n', '\n', '-\n', '# \n']) {
      const text = `---\n${line.repeat(60_000)}`;
      expect(splitFrontMatter(text).text.length).to.equal(text.length);
    }
  });
});

describe('the news folder', () => {
  let folder: string;
  let logged: object[];
  let log: Logger;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'news-'));
    logged = [];
    log = { info() {}, warn: (facts) => void logged.push(facts), error() {} };
  });
  afterEach(() => rm(folder, { recursive: true }));

  const put = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);

  it('news items are returned oldest first', async () => {
    await put('2023-01-01-b.md', '# B');
    await put('2022-01-01-z.html', '<h1>Z</h1>');
    await put('2023-01-01-a.md', '# A');
    expect((await createNewsReader(() => folder, log)()).map((item) => item.title)).to.deep.equal(['Z', 'A', 'B']);
  });

  it('the list of news is empty if the folder is missing or not configured', async () => {
    expect(await createNewsReader(() => undefined, log)()).to.deep.equal([]);
    expect(await createNewsReader(() => join(folder, 'none'), log)()).to.deep.equal([]);
    expect(logged).to.deep.equal([]);
  });

  it('files that are not news items are skipped and logged once', async () => {
    await put('notes.txt', 'x');
    await put('2022-01-01-big.md', 'x'.repeat(newsBytesMax + 1));
    await put('2022-01-02-fits.md', 'x'.repeat(newsBytesMax));
    await mkdir(join(folder, '2022-01-03-folder.md'));
    await symlink(join(folder, 'none'), join(folder, '2022-01-04-dangling.md'));
    const read = createNewsReader(() => folder, log);
    for (let i = 0; i < 3; i++) expect((await read()).map((item) => item.id)).to.deep.equal(['2022-01-02-fits']);
    expect(logged.map((facts) => basename((facts as { file: string }).file)).sort()).to.deep.equal([
      '2022-01-01-big.md',
      '2022-01-03-folder.md',
      '2022-01-04-dangling.md',
      'notes.txt',
    ]);
  });

  it('the news reader notices new, changed and removed files, and a changed folder', async () => {
    let place = folder;
    const read = createNewsReader(() => place, log);
    const titles = async (): Promise<readonly string[]> => (await read()).map((item) => item.title);
    await put('2022-01-01-a.md', '# A');
    expect(await titles()).to.deep.equal(['A']);
    await put('2022-01-02-b.md', '# B');
    await put('2022-01-01-a.md', '# C');
    await utimes(join(folder, '2022-01-01-a.md'), 1, 1);
    expect(await titles()).to.deep.equal(['C', 'B']);
    await rm(join(folder, '2022-01-01-a.md'));
    expect(await titles()).to.deep.equal(['B']);
    place = join(folder, 'none');
    expect(await titles()).to.deep.equal([]);
  });

  it('the news reader reads an unchanged file only once', async () => {
    await put('2022-01-01-a.md', '# A');
    const read = createNewsReader(() => folder, log);
    const [first] = await read();
    const [second] = await read();
    expect(first).to.equal(second);
  });

  it('two news files with the same id yield one item', async () => {
    await put('2000-01-01-twice.html', '<h1>html</h1>');
    await put('2000-01-01-twice.md', '# md');
    expect((await createNewsReader(() => folder, log)()).map((item) => item.title)).to.deep.equal(['md']);
  });

  it('the news reader reads the newest files if the folder has too many, and logs this once', async () => {
    await put('2000-01-01-old.md', 'x');
    await Promise.all(
      Array.from({ length: newsFilesMax }, (_, i) => put(`2022-01-01-${String(i).padStart(4, '0')}.md`, 'x')),
    );
    const read = createNewsReader(() => folder, log);
    await read();
    const items = await read();
    expect(items).to.have.length(newsFilesMax);
    expect(items[0]?.id).to.equal('2022-01-01-0000');
    expect(logged).to.deep.equal([
      { file: folder, why: `more than ${newsFilesMax} files; only the last ${newsFilesMax} by name are read` },
    ]);
  });

  it('the news reader rejects if the folder cannot be read', async () => {
    await put('file', '');
    const failed = await createNewsReader(() => join(folder, 'file'), log)().catch((error: unknown) => error);
    expect(failed).to.have.property('code', 'ENOTDIR');
  });

  it('C5: news items are sorted by the date of their front matter', async () => {
    await put('2023-01-01-a.md', '---\ndate: 2024-01-01\n---\n# A');
    await put('2023-06-01-b.md', '# B');
    expect((await createNewsReader(() => folder, log)()).map((item) => item.title)).to.deep.equal(['B', 'A']);
  });

  it('C5: front matter that cannot be used is logged once', async () => {
    await put('2023-01-01-a.md', '---\ndate: soon\n---\n# A');
    const read = createNewsReader(() => folder, log);
    for (let i = 0; i < 3; i++) expect((await read()).map((item) => item.title)).to.deep.equal(['A']);
    expect(logged).to.have.length(1);
  });

  it('C2: news items follow a link to another folder whose files have the same names, sizes and times', async () => {
    for (const [name, text] of [
      ['1', '# One'],
      ['2', '# Two'],
    ] as const) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, '2023-01-01-a.md'), text);
      await utimes(join(folder, name, '2023-01-01-a.md'), 1_000, 1_000);
    }
    const link = join(folder, 'current');
    const read = createNewsReader(() => link, log);
    for (const [target, title] of [
      ['1', 'One'],
      ['2', 'Two'],
      ['1', 'One'],
    ] as const) {
      await rm(link, { force: true });
      await symlink(target, link);
      expect((await read()).map((item) => item.title)).to.deep.equal([title]);
    }
  });
});
