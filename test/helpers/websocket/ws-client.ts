// A websocket client of the ws package, with its received messages in a queue.

import { type ClientOptions, WebSocket } from 'ws';
import { createAsyncQueue } from '../async-queue.ts';
import { withDeadline } from '../wait-until.ts';

/** A text frame, the JSON of a binary frame, or the end of the connection. */
export type ReceivedMessage =
  | { readonly text: string }
  | { readonly json: Readonly<Record<string, unknown>> }
  | { readonly closed: number; readonly reason: string };

export interface WsClient {
  readonly ws: WebSocket;
  sendControl(message: object): void;
  sendText(text: string): void;
  next(): Promise<ReceivedMessage>;
  /** Returns the next text frame. Rejects if something else arrives. */
  nextLine(): Promise<string>;
  /** Returns everything up to the end of the connection. */
  readToEnd(): Promise<{
    readonly texts: readonly string[];
    readonly json: readonly Readonly<Record<string, unknown>>[];
    readonly code: number;
  }>;
}

export async function connectWsClient(
  url: string,
  protocols: readonly string[] = [],
  options: ClientOptions = {},
): Promise<WsClient> {
  const ws = new WebSocket(url, [...protocols], { perMessageDeflate: false, ...options });
  const received = createAsyncQueue<ReceivedMessage>();
  ws.on('message', (data, isBinary) =>
    received.push(isBinary ? { json: JSON.parse(String(data)) as Record<string, unknown> } : { text: String(data) }),
  );
  ws.on('close', (closed, reason) => received.push({ closed, reason: String(reason) }));
  await new Promise<void>((resolve, reject) => ws.once('open', resolve).once('error', reject));
  ws.on('error', () => {});
  const next = async (): Promise<ReceivedMessage> =>
    (await withDeadline('a message arrives', received.next(), 20_000))!;
  return {
    ws,
    next,
    sendControl: (message) => ws.send(Buffer.from(JSON.stringify(message))),
    sendText: (text) => ws.send(text),
    async nextLine() {
      const said = await next();
      if ('text' in said) return said.text;
      throw new Error(`not a text frame: ${JSON.stringify(said)}`);
    },
    async readToEnd() {
      const texts: string[] = [];
      const json: Readonly<Record<string, unknown>>[] = [];
      for (;;) {
        const said = await next();
        if ('closed' in said) return { texts, json, code: said.closed };
        if ('text' in said) texts.push(said.text);
        else json.push(said.json);
      }
    },
  };
}
