// Test suites for foreign clients of v1: run, send input, cancel, disconnect. They also check the run records.

import { expect } from 'chai';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { expectIdle, waitForNewestRun } from '../gateway/expect-idle.ts';
import type { TestGateway } from '../gateway/test-gateway.ts';

export const yaml = `
limits: { graceMs: 500ms }
calls:
  count: { process: [seq, '1', '2000'] }
  echo: { process: [cat] }
  family: { process: [sh, -c, '(trap "" TERM; sleep 60) & setsid sleep 60 & echo ready; wait'] }
  fail: { process: [sh, -c, 'echo bad >&2; exit 3'] }
`;

/** A connection of v1. Text frames are strings, the result is an object, and the end is a close code. */
export interface V1Client {
  send(message: object | string): Promise<void>;
  /** Returns everything up to the end of the connection. */
  readToEnd(): Promise<Conversation>;
  /** Resolves when this text has arrived. */
  waitForText(text: string): Promise<void>;
  /** Disconnects without a message, each client in its own way. */
  disconnect(): Promise<void>;
}

export interface Conversation {
  readonly texts: readonly string[];
  readonly results: readonly unknown[];
  readonly code: number;
  readonly clean: boolean;
}

export interface ClientSuiteOptions {
  readonly gateway: () => TestGateway;
  readonly connect: () => Promise<V1Client>;
}

/** Defines the tests of a client that stays until the result. */
export function describeStayingClient({ gateway, connect }: ClientSuiteOptions): void {
  describe('a client that stays until the result', () => {
    afterEach(() => expectIdle(gateway()));

    it('a client runs a call to its end', async () => {
      const client = await connect();
      await client.send({ call: 'count', params: [] });
      const { texts, ...end } = await client.readToEnd();
      expect(texts).to.deep.equal(Array.from({ length: 2000 }, (_, at) => String(at + 1)));
      expect(end).to.deep.equal({ results: [{ success: true }], code: 1000, clean: true });
      await expectNewestRecord(gateway(), { outcome: 'succeeded', exitCode: 0, lines: 2000 });
    });

    it('a client receives the message of a failure', async () => {
      const client = await connect();
      await client.send({ call: 'fail' });
      expect(await client.readToEnd()).to.deep.equal({
        texts: ['bad'],
        results: [{ success: false, message: 'exited with code 3' }],
        code: 1000,
        clean: true,
      });
      await expectNewestRecord(gateway(), { outcome: 'failed', exitCode: 3 });
    });

    it('a client sends input and the end of the input', async () => {
      const client = await connect();
      await client.send({ call: 'echo', params: [] });
      for (const text of ['first', '', 'ünïcödé 😀', 'last']) await client.send(text);
      await client.send({ signal: 'close' });
      expect(await client.readToEnd()).to.deep.equal({
        texts: ['first', '', 'ünïcödé 😀', 'last'],
        results: [{ success: true }],
        code: 1000,
        clean: true,
      });
      await expectNewestRecord(gateway(), { outcome: 'succeeded', lines: 4 });
    });

    it('a client cancels a call', async () => {
      const client = await connect();
      await client.send({ call: 'family' });
      await client.waitForText('ready');
      await client.send({ signal: 'cancel' });
      expect(await client.readToEnd()).to.deep.equal({
        texts: ['ready'],
        results: [{ success: false, message: 'cancelled: client requested cancellation' }],
        code: 1000,
        clean: true,
      });
      await expectNewestRecord(gateway(), { outcome: 'cancelled' });
    });
  });
}

/** Defines the tests of a client that disconnects before its call has ended. */
export function describeDisconnectingClient(manner: string, { gateway, connect }: ClientSuiteOptions): void {
  describe(`a client that ${manner}`, () => {
    afterEach(() => expectIdle(gateway()));

    it('a client that disconnects cancels its call', async () => {
      const client = await connect();
      await client.send({ call: 'family' });
      await client.waitForText('ready');
      await client.disconnect();
      await expectNewestRecord(gateway(), { outcome: 'cancelled', message: 'cancelled: client disconnected' });
    });

    it('a client that disconnects before any output cancels its call', async () => {
      const client = await connect();
      await client.send({ call: 'echo' });
      await client.send('x');
      await client.waitForText('x');
      await client.disconnect();
      await expectNewestRecord(gateway(), { outcome: 'cancelled' });
    });
  });
}

async function expectNewestRecord(gateway: TestGateway, expected: Partial<RunRecord>): Promise<void> {
  const { id } = await waitForNewestRun(gateway);
  const record = (await gateway.getJson(`/api/v1/http/runs/${id}`)) as RunRecord;
  expect(record).to.deep.include(expected);
  expect(record.cleanup).to.deep.include({ clean: true, left: [] });
  expect(record.cleanup?.released.map(({ kind }) => kind)).to.include('process');
}
