// docs/protocol.md against the tables it shows.

import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sessionEndings, type SessionEnding } from '../../protocol/close-codes.ts';
import { decodeJson } from '../../protocol/codec.ts';
import { subprotocols } from '../../protocol/dialects/choose.ts';
import { v2 } from '../../protocol/dialects/v2.ts';
import { outcomes } from '../../protocol/record.ts';
import { phases, sessionEvents, sessionTable, type Step } from '../../protocol/session.ts';
import { plain, tableUnder } from '../helpers/documents.ts';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

describe('the protocol document', () => {
  it('shows every ending of a session as it is', () => {
    const shown = tableUnder('protocol.md', 'How a session ends').map((row) => [plain(row['ending']!), row['when'], plain(row['message']!), row['close code']]);
    const table = Object.entries<SessionEnding>(sessionEndings).map(([name, row]) => [name, row.summary, row.message ?? '', String(row.closeCode)]);
    expect(shown).to.deep.equal(table);
  });

  it('shows the session as it is', () => {
    const shown = tableUnder('protocol.md', 'The session').map((row) => ['phase', 'event', 'action', 'next', 'ending'].map((column) => plain(row[column]!)));
    const table = phases.flatMap((phase) => Object.entries<Step>(sessionTable[phase]).map(([event, step]) => [phase, event, step.act ?? '', step.next, step.ending ?? '']));
    expect(shown).to.deep.equal(table);
  });

  it('names every subprotocol, every outcome and every phase', () => {
    for (const word of [...subprotocols, ...outcomes, ...phases]) expect(text).to.include(`\`${word}\``);
  });

  it('shows only messages that are JSON', () => {
    const blocks = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => block!.trim());
    const messages = blocks.flatMap((block) => block.split(/\n(?=\{)/));
    expect(messages.length).to.be.greaterThan(3);
    for (const message of messages) expect(decodeJson(Buffer.from(message)), message).to.be.an('object');
  });

  it('shows client messages that the gateway understands', () => {
    const shown = [...text.matchAll(/`(\{"(?:call|signal)"[^`]*\})`/g)].map(([, message]) => message!.replaceAll('…', '""').replace('"params":""', '"params":[]'));
    expect(shown.length).to.be.greaterThan(4);
    for (const message of shown) expect(v2.read(Buffer.from(message)).type, message).to.not.equal('junk');
  });
});

describe('the events of a log', () => {
  it('are all in the document, and no others', () => {
    const shown = tableUnder('protocol.md', 'Events').map((row) => plain(row['type']!));
    expect(shown.sort()).to.deep.equal([...new Set(emitted())].sort());
  });
});

/** Types of events that the code of the server appends. */
function emitted(): readonly string[] {
  const server = fileURLToPath(new URL('../../server/', import.meta.url));
  return readdirSync(server, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).flatMap((name) => {
    const code = readFileSync(join(server, name), 'utf8');
    return [...code.matchAll(/(?:events\.emit|log\.emit|#appendEvent)\('([a-z-]+)'/g)].map(([, type]) => type!);
  });
}

describe('the session table', () => {
  it('has words for events that occur, and only those', () => {
    const used = new Set(phases.flatMap((phase) => Object.keys(sessionTable[phase])));
    expect([...used].sort()).to.deep.equal([...sessionEvents].sort());
  });

  it('gives a result exactly once on every way from the call to the end', () => {
    for (const phase of phases) {
      for (const step of Object.values<Step>(sessionTable[phase])) {
        if (step.act === 'finish') expect(step.next).to.equal('closing');
        if (step.next === 'closing') expect(step.act).to.equal('finish');
      }
    }
    expect(Object.keys(sessionTable.closing)).to.deep.equal(['gone']);
    expect(Object.keys(sessionTable.closed)).to.deep.equal([]);
  });

  it('lets every client go, in every phase', () => {
    for (const phase of phases.filter((one) => one !== 'closed')) expect(sessionTable[phase]['gone']?.next).to.equal('closed');
  });
});
