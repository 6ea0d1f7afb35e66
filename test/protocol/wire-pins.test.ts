// The wire of each dialect, held to the byte. v1 and pow-1 are spoken by programs that nobody here can change: their bytes stay as they are for ever.
// distillery.v2 may learn new messages: then wire-pins.json, docs/protocol.md and CHANGELOG.md change together, and old clients must still be understood.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { sessionEndings, type SessionEndingName } from '../../protocol/close-codes.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import { pow1 } from '../../protocol/dialects/pow-1.ts';
import { v1 } from '../../protocol/dialects/v1.ts';
import { v2 } from '../../protocol/dialects/v2.ts';
import type { Result } from '../../protocol/messages.ts';

const receipt = { clean: true, released: [{ kind: 'process', id: 'process-1', how: 'exited', ms: 2 }], left: [] } as const;
const success: Result = { success: true, status: 'succeeded', exitCode: 0, value: { a: 1 }, next: 3, cleanup: receipt };
const failure: Result = { success: false, status: 'failed', message: 'exited with code 3', exitCode: 3, next: 1, cleanup: receipt };

const said = ['{"call":"a","params":["b"]}', '{"call":"a","params":null}', '{"name":"a"}', '{"signal":"cancel"}', '{"signal":"close"}', '{"signal":"detach"}', '{"signal":"resize","cols":80,"rows":24}', '{"attach":"r","after":2}', '{"attach":"r","last":5,"input":true}', '{"call":"a","run":"r","after":1,"onDisconnect":"grace:30s","terminal":{"cols":80,"rows":24}}', '{}', 'null', '[]', '{"signal":"x"}', ''];

const pins = JSON.parse(readFileSync(new URL('wire-pins.json', import.meta.url), 'utf8')) as Readonly<Record<string, unknown>>;

const text = (bytes: Uint8Array | undefined): string | undefined => (bytes === undefined ? undefined : Buffer.from(bytes).toString());
const endings = Object.keys(sessionEndings) as SessionEndingName[];

function wireOf(dialect: Dialect): unknown {
  return {
    reads: Object.fromEntries(said.map((message) => [message, dialect.read(Buffer.from(message))])),
    results: [text(dialect.result(success, 'done')), text(dialect.result(failure, 'done'))],
    closes: Object.fromEntries(endings.map((ending) => [ending, dialect.closeCode(ending)])),
    announces: text(dialect.announce?.({ run: { id: 'r', call: 'a', state: 'queued', next: 1 } })),
    credits: text(dialect.credit?.({ input: { taken: 5, received: 7 } })),
    notices: text(dialect.notice?.({ notice: { code: 'read-only', message: 'm' } })),
    text: dialect.text,
  };
}

describe('the wire', () => {
  for (const [name, dialect] of [['v1', v1], ['pow-1', pow1], ['distillery.v2', v2]] as const) {
    it(`of ${name} is what it was`, () => {
      expect(JSON.parse(JSON.stringify(wireOf(dialect))), changed[name]).to.deep.equal(pins[name]);
    });
  }
});

const frozen = 'this dialect is spoken by programs in the field: its wire must not change';
const changed = { 'v1': frozen, 'pow-1': frozen, 'distillery.v2': 'the wire has changed: describe it in docs/protocol.md and CHANGELOG.md, and pin it in wire-pins.json' } as const;
