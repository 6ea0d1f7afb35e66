// What a stranger's client does under v1, whichever client it is: run, feed, cancel, abandon; and what must be true after it.

import { expect } from 'chai';
import type { RunRecord } from '../../protocol/record.ts';
import type { TestGateway } from '../helpers/gateway.ts';
import { newestEnded, settled } from '../helpers/settled.ts';

export const yaml = `
limits: { graceMs: 500ms }
calls:
  count: { process: [seq, '1', '2000'] }
  echo: { process: [cat] }
  family: { process: [sh, -c, '(trap "" TERM; sleep 60) & setsid sleep 60 & echo ready; wait'] }
  fail: { process: [sh, -c, 'echo bad >&2; exit 3'] }
`;

/** A connection under v1: text frames are strings, the result is an object, the end is a close code. */
export interface Client {
  send(message: object | string): Promise<void>;
  /** Everything until the connection ends. */
  rest(): Promise<Conversation>;
  /** Resolves when this text has come. */
  heard(text: string): Promise<void>;
  /** Goes away without a word, each its own way. */
  abandon(): Promise<void>;
}

export interface Conversation {
  readonly texts: readonly string[];
  readonly results: readonly unknown[];
  readonly code: number;
  readonly clean: boolean;
}

export interface Part {
  readonly gateway: () => TestGateway;
  readonly open: () => Promise<Client>;
}

/** Tests of a client that stays until it is told how its call ended. */
export function stays({ gateway, open }: Part): void {
  describe('that stays', () => {
    afterEach(() => settled(gateway()));

    it('runs a call to its end', async () => {
      const client = await open();
      await client.send({ call: 'count', params: [] });
      const { texts, ...end } = await client.rest();
      expect(texts).to.deep.equal(Array.from({ length: 2000 }, (_, at) => String(at + 1)));
      expect(end).to.deep.equal({ results: [{ success: true }], code: 1000, clean: true });
      await recorded(gateway(), { outcome: 'succeeded', exitCode: 0, lines: 2000 });
    });

    it('is told of a failure', async () => {
      const client = await open();
      await client.send({ call: 'fail' });
      expect(await client.rest()).to.deep.equal({ texts: ['bad'], results: [{ success: false, message: 'exited with code 3' }], code: 1000, clean: true });
      await recorded(gateway(), { outcome: 'failed', exitCode: 3 });
    });

    it('feeds a call, and ends its input', async () => {
      const client = await open();
      await client.send({ call: 'echo', params: [] });
      for (const text of ['first', '', 'ünïcödé 😀', 'last']) await client.send(text);
      await client.send({ signal: 'close' });
      expect(await client.rest()).to.deep.equal({ texts: ['first', '', 'ünïcödé 😀', 'last'], results: [{ success: true }], code: 1000, clean: true });
      await recorded(gateway(), { outcome: 'succeeded', lines: 4 });
    });

    it('cancels a call', async () => {
      const client = await open();
      await client.send({ call: 'family' });
      await client.heard('ready');
      await client.send({ signal: 'cancel' });
      expect(await client.rest()).to.deep.equal({ texts: ['ready'], results: [{ success: false, message: 'cancelled: client requested cancellation' }], code: 1000, clean: true });
      await recorded(gateway(), { outcome: 'cancelled' });
    });

  });
}

/** Tests of a client that goes before its call has ended. */
export function leaves(manner: string, { gateway, open }: Part): void {
  describe(`that ${manner}`, () => {
    afterEach(() => settled(gateway()));

    it('abandons a call', async () => {
      const client = await open();
      await client.send({ call: 'family' });
      await client.heard('ready');
      await client.abandon();
      await recorded(gateway(), { outcome: 'cancelled', message: 'cancelled: client disconnected' });
    });

    it('abandons a call that has not said anything', async () => {
      const client = await open();
      await client.send({ call: 'echo' });
      await client.send('x');
      await client.heard('x');
      await client.abandon();
      await recorded(gateway(), { outcome: 'cancelled' });
    });
  });
}

async function recorded(gateway: TestGateway, expected: Partial<RunRecord>): Promise<void> {
  const { id } = await newestEnded(gateway);
  const record = await gateway.getJson(`/api/v1/http/runs/${id}`) as RunRecord;
  expect(record).to.deep.include(expected);
  expect(record.cleanup).to.deep.include({ clean: true, left: [] });
  expect(record.cleanup?.released.map(({ kind }) => kind)).to.include('process');
}
