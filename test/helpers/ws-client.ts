// The stock `ws` client, with what it hears in an order that a test can ask for.

import { WebSocket, type ClientOptions } from 'ws';
import { inbox } from './inbox.ts';
import { soon } from './until.ts';

/** A text frame, the JSON of a binary one, or how the connection ended. */
export type Heard = { readonly text: string } | { readonly json: Readonly<Record<string, unknown>> } | { readonly closed: number; readonly reason: string };

export interface WsClient {
  readonly ws: WebSocket;
  control(message: object): void;
  text(text: string): void;
  next(): Promise<Heard>;
  /** The next text frame; throws when something else came. */
  line(): Promise<string>;
  /** Everything from here to the end. */
  rest(): Promise<{ readonly texts: readonly string[]; readonly json: readonly Readonly<Record<string, unknown>>[]; readonly code: number }>;
}

export async function wsClient(url: string, protocols: readonly string[] = [], options: ClientOptions = {}): Promise<WsClient> {
  const ws = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
  const heard = inbox<Heard>();
  ws.on('message', (data, isBinary) => heard.put(isBinary ? { json: JSON.parse(String(data)) as Record<string, unknown> } : { text: String(data) }));
  ws.on('close', (closed, reason) => heard.put({ closed, reason: String(reason) }));
  await new Promise<void>((resolve, reject) => ws.once('open', resolve).once('error', reject));
  ws.on('error', () => {});
  const next = async (): Promise<Heard> => (await soon('something to hear', heard.get(), 20_000))!;
  return {
    ws, next,
    control: (message) => ws.send(Buffer.from(JSON.stringify(message))),
    text: (text) => ws.send(text),
    async line() {
      const said = await next();
      if ('text' in said) return said.text;
      throw new Error(`not a line: ${JSON.stringify(said)}`);
    },
    async rest() {
      const texts: string[] = [];
      const json: Readonly<Record<string, unknown>>[] = [];
      for (;;) {
        const said = await next();
        if ('closed' in said) return { texts, json, code: said.closed };
        if ('text' in said) texts.push(said.text); else json.push(said.json);
      }
    },
  };
}
