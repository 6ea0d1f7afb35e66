// Clients that run the vectors: ws, and a TCP socket for cases that ws cannot send or check.

import { WebSocket } from 'ws';
import { createAsyncQueue } from '../async-queue.ts';
import { withDeadline } from '../wait-until.ts';
import { connectRawClient } from '../websocket/raw-client.ts';
import { encodeClose } from '../websocket/raw-frames.ts';
import { type Case, encodeSent, messageToSend, type Sent } from './wire-vectors.ts';

export type ReceivedMessage =
  | { readonly text: string }
  | { readonly json: unknown }
  | { readonly pong: string }
  | { readonly close: number | null; readonly reason: string }
  | { readonly end: true };

export interface VectorClient {
  send(sent: readonly Sent[]): Promise<void>;
  receive(): Promise<ReceivedMessage>;
  /** Resolves when the connection has ended. A TCP client also answers Close, and rejects if more frames arrive. */
  expectClose(code: number | null): Promise<void>;
  destroy(): void;
}

export interface Opening {
  readonly path: string;
  readonly subprotocol?: string;
}

/**
 * Opens a client for a case: a TCP socket if the case expects Close or Pong, or sends what ws cannot send; otherwise
 * ws.
 */
export function openVectorClient(url: string, vector: Case, opening: Opening): Promise<VectorClient> {
  const every = [
    ...(vector.each ?? []),
    ...vector.steps.flatMap((step) => ('send' in step && step.send !== 'each' ? [step.send] : [])),
  ];
  const usesWs =
    every.every((sent) => messageToSend(sent) !== undefined) &&
    vector.steps.every(
      (step) => !('packet' in step) && !('expect' in step && ('close' in step.expect || 'pong' in step.expect)),
    );
  return usesWs ? openWsClient(url, opening) : openRawClient(url, opening);
}

async function openWsClient(url: string, { path, subprotocol }: Opening): Promise<VectorClient> {
  const ws = new WebSocket(url + path, subprotocol === undefined ? [] : [subprotocol], { perMessageDeflate: false });
  const received = createAsyncQueue<ReceivedMessage>();
  ws.on('message', (data, isBinary) =>
    received.push(isBinary ? { json: JSON.parse(String(data)) as unknown } : { text: String(data) }),
  );
  const closed = new Promise<void>((resolve) =>
    ws.on('close', (code, reason) => {
      received.push({ close: code === 1005 ? null : code, reason: String(reason) });
      resolve();
    }),
  );
  await new Promise<void>((resolve, reject) => ws.once('open', resolve).once('error', reject));
  return {
    async send(all) {
      for (const sent of all) {
        const message = messageToSend(sent)!;
        if ('data' in message) ws.send(message.data);
        else ws.close(message.close ?? undefined);
      }
    },
    receive: async () => (await received.next())!,
    expectClose: async () => closed,
    destroy: () => ws.terminate(),
  };
}

async function openRawClient(url: string, { path, subprotocol }: Opening): Promise<VectorClient> {
  const client = await connectRawClient(url, { path, headers: { 'Sec-WebSocket-Protocol': subprotocol } });
  let hasSentClose = false;
  return {
    async send(all) {
      hasSentClose ||= all.some((sent) => 'close' in sent);
      const [first] = all;
      if (first === undefined || !('frames' in first) || !first.bytewise) return client.write(...all.map(encodeSent));
      for (const byte of encodeSent(first))
        await new Promise((resolve) => client.socket.write(Buffer.of(byte), resolve));
    },
    async receive() {
      const frame = await client.next();
      if (frame === undefined) return { end: true };
      switch (frame.opcode) {
        case 'text':
          return { text: frame.payload.toString() };
        case 'pong':
          return { pong: frame.payload.toString() };
        case 'close':
          return {
            close: frame.payload.length === 0 ? null : frame.payload.readUInt16BE(0),
            reason: frame.payload.subarray(2).toString(),
          };
        default:
          return { json: JSON.parse(frame.payload.toString()) as unknown };
      }
    },
    async expectClose(code) {
      if (!hasSentClose) client.write(encodeClose(code ?? undefined));
      const more = await withDeadline('the connection has ended', client.readToEnd(), 1500);
      if (more.length > 0) throw new Error(`frames followed Close: ${more.map(({ opcode }) => opcode).join()}`);
    },
    destroy: () => client.socket.destroy(),
  };
}
