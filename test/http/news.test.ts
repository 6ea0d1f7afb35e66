import { expect } from 'chai';
import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { newsItem, parseNewsName } from '../../server/http/news/item.ts';
import type { NewsItem } from '../../server/http/news/item.ts';
import { createNewsShelf, newsBytesMax, newsFilesMax } from '../../server/http/news/shelf.ts';
import type { Logger } from '../../server/support/logger.ts';

describe('http: news names', () => {
  it('tells id, day and slug', () => {
    expect(parseNewsName('2022-09-08-go.md')).to.deep.equal({ id: '2022-09-08-go', date: '2022-09-08T00:00:00Z', slug: 'go', form: 'md' });
    expect(parseNewsName('2024-02-29-a.b_c.html')).to.include({ id: '2024-02-29-a.b_c', form: 'html' });
  });

  for (const name of ['go.md', '2022-09-08.md', '2022-09-08-.md', '2022-9-8-go.md', '2022-02-30-go.md', '2022-13-01-go.md', '2023-02-29-go.md', '2022-09-08-go.txt', '2022-09-08-go', '.2022-09-08-go.md', '2022-09-08-go.md~', '2022-09-08-ü.md', '']) {
    it(`does not take "${name}"`, () => expect(parseNewsName(name)).to.equal(undefined));
  }
});

describe('http: news texts', () => {
  const item = (name: string, text: string): NewsItem => newsItem(parseNewsName(name) ?? { id: '', date: '', slug: '', form: 'md' }, text);

  it('takes the first heading as the title, and does not repeat it', () => {
    expect(item('2022-09-08-go.md', '# We *go* &amp; <b>see</b>\n\ntext\n\n# More')).to.deep.include({ title: 'We go & see', content: '<p>text</p>\n<h1>More</h1>' });
    expect(item('2022-09-08-go.html', '<h2 class="x">Hello\n there</h2>\n<p>x</p>')).to.deep.include({ title: 'Hello there', content: '<p>x</p>' });
  });

  it('leaves a heading in place that does not come first', () => {
    expect(item('2022-09-08-go.md', 'intro\n\n## Later')).to.deep.include({ title: 'Later', content: '<p>intro</p>\n<h2>Later</h2>' });
  });

  it('takes the slug when there is no heading with a text', () => {
    for (const text of ['', 'no heading', '#', '```\n# code\n```', '<header>x</header>']) expect(item('2022-09-08-go-on.md', text).title).to.equal('go-on');
  });

  it('takes no time for a text full of tags that never end', () => {
    const began = performance.now();
    for (const tag of ['<h1>', '<h1 ', '<', '&#']) expect(item('2022-09-08-go.html', tag.repeat(newsBytesMax / tag.length)).title).to.equal('go');
    expect(performance.now() - began).to.be.below(1000);
  });

  it('decodes what a title may contain, and leaves what it does not know', () => {
    expect(item('2022-09-08-go.html', '<h1>&lt;&#65;&quot;&#99999999;&#1114112;&what;</h1>').title).to.equal('<A"&#99999999;&#1114112;&what;');
  });
});

describe('http: the news folder', () => {
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

  it('is read oldest first', async () => {
    await put('2023-01-01-b.md', '# B');
    await put('2022-01-01-z.html', '<h1>Z</h1>');
    await put('2023-01-01-a.md', '# A');
    expect((await createNewsShelf(() => folder, log)()).map((item) => item.title)).to.deep.equal(['Z', 'A', 'B']);
  });

  it('is empty when it is missing or not configured', async () => {
    expect(await createNewsShelf(() => undefined, log)()).to.deep.equal([]);
    expect(await createNewsShelf(() => join(folder, 'none'), log)()).to.deep.equal([]);
    expect(logged).to.deep.equal([]);
  });

  it('leaves out what is no news item, and says so once', async () => {
    await put('notes.txt', 'x');
    await put('2022-01-01-big.md', 'x'.repeat(newsBytesMax + 1));
    await put('2022-01-02-fits.md', 'x'.repeat(newsBytesMax));
    await mkdir(join(folder, '2022-01-03-folder.md'));
    await symlink(join(folder, 'none'), join(folder, '2022-01-04-dangling.md'));
    const read = createNewsShelf(() => folder, log);
    for (let i = 0; i < 3; i++) expect((await read()).map((item) => item.id)).to.deep.equal(['2022-01-02-fits']);
    expect(logged.map((facts) => basename((facts as { file: string }).file)).sort()).to.deep.equal(['2022-01-01-big.md', '2022-01-03-folder.md', '2022-01-04-dangling.md', 'notes.txt']);
  });

  it('shows changes: new, changed, mended and removed files, and another folder', async () => {
    let place = folder;
    const read = createNewsShelf(() => place, log);
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

  it('reads an unchanged file once', async () => {
    await put('2022-01-01-a.md', '# A');
    const read = createNewsShelf(() => folder, log);
    const [first] = await read();
    const [second] = await read();
    expect(first).to.equal(second);
  });

  it('tells one item for an id', async () => {
    await put('2000-01-01-twice.html', '<h1>html</h1>');
    await put('2000-01-01-twice.md', '# md');
    expect((await createNewsShelf(() => folder, log)()).map((item) => item.title)).to.deep.equal(['md']);
  });

  it('looks at the newest files only when there are too many, and says so once', async () => {
    await put('2000-01-01-old.md', 'x');
    await Promise.all(Array.from({ length: newsFilesMax }, (_, i) => put(`2022-01-01-${String(i).padStart(4, '0')}.md`, 'x')));
    const read = createNewsShelf(() => folder, log);
    await read();
    const items = await read();
    expect(items).to.have.length(newsFilesMax);
    expect(items[0]?.id).to.equal('2022-01-01-0000');
    expect(logged).to.deep.equal([{ file: folder, why: `only the last ${newsFilesMax} of its files are looked at` }]);
  });

  it('fails rather than pretend to be empty when it cannot be read', async () => {
    await put('file', '');
    const failed = await createNewsShelf(() => join(folder, 'file'), log)().catch((error: unknown) => error);
    expect(failed).to.have.property('code', 'ENOTDIR');
  });
});
