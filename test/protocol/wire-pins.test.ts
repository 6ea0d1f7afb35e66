// Tests that the bytes of each dialect stay the same. Programs outside this project speak v1 and pow-1, so those two
// never change. distillery.v2 may gain messages: then change wire-pins.json, docs/protocol.md and CHANGELOG.md
// together, and keep old clients working.

import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type SessionEndingName, sessionEndings } from '../../protocol/close-codes.ts';
import type { Dialect } from '../../protocol/dialects/dialect.ts';
import { pow1 } from '../../protocol/dialects/pow-1.ts';
import { v1 } from '../../protocol/dialects/v1.ts';
import { v2 } from '../../protocol/dialects/v2.ts';
import type { Result } from '../../protocol/messages.ts';

const receipt = {
  clean: true,
  released: [{ kind: 'process', id: 'process-1', how: 'exited', ms: 2 }],
  left: [],
} as const;
const success: Result = { success: true, status: 'succeeded', exitCode: 0, value: { a: 1 }, next: 3, cleanup: receipt };
const failure: Result = {
  success: false,
  status: 'failed',
  message: 'exited with code 3',
  exitCode: 3,
  next: 1,
  cleanup: receipt,
};

const clientMessages = [
  '{"call":"a","params":["b"]}',
  '{"call":"a","params":null}',
  '{"name":"a"}',
  '{"signal":"cancel"}',
  '{"signal":"close"}',
  '{"signal":"detach"}',
  '{"signal":"resize","cols":80,"rows":24}',
  '{"attach":"r","after":2}',
  '{"attach":"r","last":5,"input":true}',
  '{"call":"a","run":"r","after":1,"onDisconnect":"grace:30s","terminal":{"cols":80,"rows":24}}',
  '{}',
  'null',
  '[]',
  '{"signal":"x"}',
  '',
];

const pins = JSON.parse(readFileSync(new URL('wire-pins.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, unknown>
>;

const text = (bytes: Uint8Array | undefined): string | undefined =>
  bytes === undefined ? undefined : Buffer.from(bytes).toString();
const endings = Object.keys(sessionEndings) as SessionEndingName[];

function describeWire(dialect: Dialect): unknown {
  return {
    reads: Object.fromEntries(clientMessages.map((message) => [message, dialect.read(Buffer.from(message))])),
    results: [text(dialect.result(success, 'done')), text(dialect.result(failure, 'done'))],
    closes: Object.fromEntries(endings.map((ending) => [ending, dialect.closeCode(ending)])),
    announces: text(dialect.announce?.({ run: { id: 'r', call: 'a', state: 'queued', next: 1 } })),
    credits: text(dialect.credit?.({ input: { taken: 5, received: 7 } })),
    notices: text(dialect.notice?.({ notice: { code: 'read-only', message: 'm' } })),
    text: dialect.text,
  };
}

describe('the wire format', () => {
  for (const [name, dialect] of [
    ['v1', v1],
    ['pow-1', pow1],
    ['distillery.v2', v2],
  ] as const) {
    it(`the wire format of ${name} has not changed`, () => {
      expect(JSON.parse(JSON.stringify(describeWire(dialect))), changedMessages[name]).to.deep.equal(pins[name]);
    });
  }
});

const frozenMessage = 'this dialect is spoken by programs in the field: its wire must not change';
const changedMessages = {
  v1: frozenMessage,
  'pow-1': frozenMessage,
  'distillery.v2':
    'the wire has changed: describe it in docs/protocol.md and CHANGELOG.md, and pin it in wire-pins.json',
} as const;
