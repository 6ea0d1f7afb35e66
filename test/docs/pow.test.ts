// docs/pow.md against the code it tells of.

import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { sessionEndings, type SessionEndingName } from '../../protocol/close-codes.ts';
import { pow1, settle } from '../../protocol/dialects/pow-1.ts';
import { plain, tableUnder } from '../helpers/documents.ts';

const names = Object.keys(sessionEndings) as readonly SessionEndingName[];

describe('the document of pow-1', () => {
  it('shows the reason and the close code of every ending', () => {
    const shown = tableUnder('pow.md', 'Reasons').map((row) => [plain(row['ending']!), plain(row['reason']!).replace(' newline ', '\n'), row['close code']]);
    expect(shown).to.deep.equal(names.map((name) => [name, reasonOf(name), String(pow1.closeCode(name))]));
  });

  it('shows client messages that the dialect understands, and results as it writes them', () => {
    const text = readFileSync(new URL('../../docs/pow.md', import.meta.url), 'utf8');
    const messages = [...text.matchAll(/binary `(\{"(?:call|signal)"[^`]*\})`/g)].map(([, message]) => pow1.read(Buffer.from(message!)).type);
    expect(messages).to.deep.equal(['call', 'close-input', 'cancel']);
    const fulfilled = Buffer.from(pow1.result({ success: true, status: 'succeeded', next: 1 }, 'done')).toString();
    expect(text).to.contain(`\`${fulfilled}\``).and.contain(`binary ${fulfilled}\n`);
  });
});

function reasonOf(ending: SessionEndingName): string {
  const message = ending === 'scope' ? 'failed to check scope: …' : '…';
  const settled = settle({ success: false, status: 'failed', message, next: 1 }, ending);
  return settled.status === 'rejected' ? settled.reason : '';
}
