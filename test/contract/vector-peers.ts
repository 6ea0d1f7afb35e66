// Who speaks the vectors: the stock `ws` client, and a bare TCP socket for what that client would not send.

import { WebSocket } from 'ws';
import { encodeClose } from '../helpers/frames.ts';
import { inbox } from '../helpers/inbox.ts';
import { rawClient } from '../helpers/raw-client.ts';
import { soon } from '../helpers/until.ts';
import { bytesOf, messageOf, type Case, type Sent } from './vectors.ts';

export type Heard =
  | { readonly text: string }
  | { readonly json: unknown }
  | { readonly pong: string }
  | { readonly close: number | null; readonly reason: string }
  | { readonly end: true };

export interface Peer {
  send(sent: readonly Sent[]): Promise<void>;
  hear(): Promise<Heard>;
  /** Answers a Close that was heard, and resolves when the connection has ended; rejects when anything else came. */
  finish(code: number | null): Promise<void>;
  destroy(): void;
}

export interface Opening {
  readonly path: string;
  readonly subprotocol?: string;
}

/** The stock client where it can speak the case. */
export function openPeer(url: string, spoken: Case, opening: Opening): Promise<Peer> {
  const every = [...(spoken.each ?? []), ...spoken.steps.flatMap((step) => ('send' in step && step.send !== 'each' ? [step.send] : []))];
  const stock = every.every((sent) => messageOf(sent) !== undefined) && spoken.steps.every((step) => !('packet' in step) && !('expect' in step && ('close' in step.expect || 'pong' in step.expect)));
  return stock ? stockPeer(url, opening) : rawPeer(url, opening);
}

async function stockPeer(url: string, { path, subprotocol }: Opening): Promise<Peer> {
  const ws = new WebSocket(url + path, subprotocol === undefined ? [] : [subprotocol], { perMessageDeflate: false });
  const heard = inbox<Heard>();
  ws.on('message', (data, isBinary) => heard.put(isBinary ? { json: JSON.parse(String(data)) as unknown } : { text: String(data) }));
  const closed = new Promise<void>((resolve) => ws.on('close', (code, reason) => {
    heard.put({ close: code === 1005 ? null : code, reason: String(reason) });
    resolve();
  }));
  await new Promise<void>((resolve, reject) => ws.once('open', resolve).once('error', reject));
  return {
    async send(all) {
      for (const sent of all) {
        const message = messageOf(sent)!;
        if ('data' in message) ws.send(message.data); else ws.close(message.close ?? undefined);
      }
    },
    hear: async () => (await heard.get())!,
    finish: async () => closed,
    destroy: () => ws.terminate(),
  };
}

async function rawPeer(url: string, { path, subprotocol }: Opening): Promise<Peer> {
  const client = await rawClient(url, { path, headers: { 'Sec-WebSocket-Protocol': subprotocol } });
  let said = false;
  return {
    async send(all) {
      said ||= all.some((sent) => 'close' in sent);
      const [first] = all;
      if (first === undefined || !('frames' in first) || !first.bytewise) return client.write(...all.map(bytesOf));
      for (const byte of bytesOf(first)) await new Promise((resolve) => client.socket.write(Buffer.of(byte), resolve));
    },
    async hear() {
      const frame = await client.next();
      if (frame === undefined) return { end: true };
      switch (frame.opcode) {
        case 'text': return { text: frame.payload.toString() };
        case 'pong': return { pong: frame.payload.toString() };
        case 'close': return { close: frame.payload.length === 0 ? null : frame.payload.readUInt16BE(0), reason: frame.payload.subarray(2).toString() };
        default: return { json: JSON.parse(frame.payload.toString()) as unknown };
      }
    },
    async finish(code) {
      if (!said) client.write(encodeClose(code ?? undefined));
      const more = await soon('the connection has ended', client.rest(), 1500);
      if (more.length > 0) throw new Error(`something followed Close: ${more.map(({ opcode }) => opcode).join()}`);
    },
    destroy: () => client.socket.destroy(),
  };
}
