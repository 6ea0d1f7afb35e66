// Compares docs/pow.md with the code: endings, messages and routes.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type SessionEndingName, sessionEndings } from '../../protocol/close-codes.ts';
import { pow1, toSettledResult } from '../../protocol/dialects/pow-1.ts';
import type { PowRoute } from '../../server/compat/pow/route.ts';
import { routes } from '../../server/compat/pow/routes.ts';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

const names = Object.keys(sessionEndings) as readonly SessionEndingName[];

describe('the document of pow-1', () => {
  it('the page of pow-1 shows the reason and the close code of every ending', () => {
    const shown = readTable('pow.md', 'Reasons').map((row) => [
      stripMarkup(row['ending']!),
      stripMarkup(row['reason']!).replace(' newline ', '\n'),
      row['close code'],
    ]);
    expect(shown).to.deep.equal(names.map((name) => [name, endingReason(name), String(pow1.closeCode(name))]));
  });

  it('the page of pow-1 shows valid client messages, and a result as the dialect writes it', () => {
    const text = readFileSync(new URL('../../docs/pow.md', import.meta.url), 'utf8');
    const messages = [...text.matchAll(/binary `(\{"(?:call|signal)"[^`]*\})`/g)].map(
      ([, message]) => pow1.read(Buffer.from(message!)).type,
    );
    expect(messages).to.deep.equal(['call', 'close-input', 'cancel']);
    const fulfilled = Buffer.from(pow1.result({ success: true, status: 'succeeded', next: 1 }, 'done')).toString();
    expect(text).to.contain(`\`${fulfilled}\``).and.contain(`binary ${fulfilled}\n`);
  });

  it('W7: the page of pow-1 describes every route of the REST API: body, response, and an example', () => {
    const text = readFileSync(new URL('../../docs/pow.md', import.meta.url), 'utf8');
    const rows = readTable('pow.md', 'The REST API');
    for (const { path, method = 'GET', body, success } of routes.filter(
      (route) => route.path !== '/',
    ) as readonly Partial<PowRoute>[]) {
      const row = rows.find((one) => stripMarkup(one['path']!) === path)!;
      expect(row['request body'] !== '', `body of ${path}`).to.equal(body !== undefined);
      expect(row['200'], path).to.have.length.above(5);
      if (success === undefined) continue;
      // The table shows a text response exactly as it is sent.
      if (/^[a-z ]+$/.test(success)) expect(stripMarkup(row['200']!), path).to.equal(success);
      const [, section = ''] = text.split(`### \`${method} ${path}\``);
      expect(section.split('\n### ')[0], path)
        .to.match(/^\$ /m)
        .and.contain(`/api/v1/pow${path!.replace('{id}', '')}`);
    }
  });

  it('W7: the page of pow-1 lists every route of the REST API with its statuses and texts', () => {
    const documented = readTable('pow.md', 'The REST API').map((row) => [
      `${row['method']} ${stripMarkup(row['path']!)}`,
      stripMarkup(row['other status']!),
    ]);
    const described = routes.filter(({ path }) => path !== '/') as readonly Partial<PowRoute>[];
    expect(documented).to.deep.equal(
      described.map(({ method = 'GET', path, failures = {} }) => [
        `${method} ${path}`,
        Object.entries(failures)
          .map(([status, text]) => `${status} ${text}`)
          .join(', '),
      ]),
    );
  });
});

function endingReason(ending: SessionEndingName): string {
  const message = ending === 'scope' ? 'failed to check scope: …' : '…';
  const settled = toSettledResult({ success: false, status: 'failed', message, next: 1 }, ending);
  return settled.status === 'rejected' ? settled.reason : '';
}
