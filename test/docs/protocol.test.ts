// Compares docs/protocol.md with the tables of the code.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { type SessionEnding, sessionEndings } from '../../protocol/close-codes.ts';
import { decodeJson } from '../../protocol/codec.ts';
import { subprotocols } from '../../protocol/dialects/choose.ts';
import { v2 } from '../../protocol/dialects/v2.ts';
import { outcomes } from '../../protocol/run-record.ts';
import { phases, sessionEvents, sessionTable, type Transition } from '../../protocol/session-table.ts';
import { readTable, stripMarkup } from '../helpers/docs/markdown-tables.ts';

const text = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

describe('the protocol document', () => {
  it('the protocol page shows every ending of a session', () => {
    const shown = readTable('protocol.md', 'How a session ends').map((row) => [
      stripMarkup(row['ending']!),
      row['when'],
      stripMarkup(row['message']!),
      row['close code'],
    ]);
    const table = Object.entries<SessionEnding>(sessionEndings).map(([name, row]) => [
      name,
      row.summary,
      row.message ?? '',
      String(row.closeCode),
    ]);
    expect(shown).to.deep.equal(table);
  });

  it('the protocol page shows the session table', () => {
    const shown = readTable('protocol.md', 'The session').map((row) =>
      ['phase', 'event', 'action', 'next', 'ending'].map((column) => stripMarkup(row[column]!)),
    );
    const table = phases.flatMap((phase) =>
      Object.entries<Transition>(sessionTable[phase]).map(([event, transition]) => [
        phase,
        event,
        transition.action ?? '',
        transition.next,
        transition.ending ?? '',
      ]),
    );
    expect(shown).to.deep.equal(table);
  });

  it('the protocol page names every subprotocol, every outcome and every phase', () => {
    for (const word of [...subprotocols, ...outcomes, ...phases]) expect(text).to.include(`\`${word}\``);
  });

  it('the protocol page shows only valid JSON messages', () => {
    const blocks = [...text.matchAll(/```json\n([\s\S]*?)```/g)].map(([, block]) => block!.trim());
    const messages = blocks.flatMap((block) => block.split(/\n(?=\{)/));
    expect(messages.length).to.be.greaterThan(3);
    for (const message of messages) expect(decodeJson(Buffer.from(message)), message).to.be.an('object');
  });

  it('the protocol page shows only client messages that the gateway understands', () => {
    const shown = [...text.matchAll(/`(\{"(?:call|signal)"[^`]*\})`/g)].map(([, message]) =>
      message!.replaceAll('…', '""').replace('"params":""', '"params":[]'),
    );
    expect(shown.length).to.be.greaterThan(4);
    for (const message of shown) expect(v2.read(Buffer.from(message)).type, message).to.not.equal('invalid-message');
  });
});

describe('the events of a log', () => {
  it('the protocol page lists exactly the events that the server appends', () => {
    const shown = readTable('protocol.md', 'Events').map((row) => stripMarkup(row['type']!));
    expect(shown.sort()).to.deep.equal([...new Set(findEmittedEvents())].sort());
  });
});

/** Returns the types of events that the server appends to logs. */
function findEmittedEvents(): readonly string[] {
  const server = fileURLToPath(new URL('../../server/', import.meta.url));
  return readdirSync(server, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => {
      const code = readFileSync(join(server, name), 'utf8');
      return [...code.matchAll(/(?:events\.emit\(|log\.emit\(|#appendEvent\(|\{ type: (?='output-))'([a-z-]+)'/g)].map(
        ([, type]) => type!,
      );
    });
}

describe('the session table', () => {
  it('the session table uses every session event and no other', () => {
    const used = new Set(phases.flatMap((phase) => Object.keys(sessionTable[phase])));
    expect([...used].sort()).to.deep.equal([...sessionEvents].sort());
  });

  it('every path through the session table from the call to the end has exactly one result', () => {
    for (const phase of phases) {
      for (const transition of Object.values<Transition>(sessionTable[phase])) {
        if (transition.action === 'finish') expect(transition.next).to.equal('closing');
        if (transition.next === 'closing') expect(transition.action).to.equal('finish');
      }
    }
    expect(Object.keys(sessionTable.closing)).to.deep.equal(['disconnected']);
    expect(Object.keys(sessionTable.closed)).to.deep.equal([]);
  });

  it('every phase of the session table handles a disconnect', () => {
    for (const phase of phases.filter((one) => one !== 'closed'))
      expect(sessionTable[phase]['disconnected']?.next).to.equal('closed');
  });
});
