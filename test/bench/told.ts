// A call made by a stock websocket client, and everything it was told.

import { WebSocket } from 'ws';
import { soon } from '../helpers/until.ts';
import type { Result, RunAnnouncement } from '../../protocol/messages.ts';

export interface Told {
  readonly result: Result;
  readonly lines: readonly string[];
  readonly run: string;
  /** From before the connection to the result. */
  readonly ms: number;
  /** From the cancel to the result; 0 when there was none. */
  readonly cancelMs: number;
}

export interface Ask {
  readonly call: string;
  /** Cancels when so many lines have come. */
  readonly cancelAfter?: number;
  /** Hears of each line when it comes. */
  readonly onLine?: (line: string) => void;
}

const toldMs = 30_000;

/** Speaks distillery.v2. Throws when there is no result in time. */
export async function ask(port: number, { call, cancelAfter, onLine }: Ask): Promise<Told> {
  const started = performance.now();
  const ws = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`, ['distillery.v2'], { perMessageDeflate: false });
  const lines: string[] = [];
  let [run, cancelledAt] = ['', 0];
  const told = new Promise<Told>((resolve, reject) => {
    ws.on('error', reject).on('close', () => reject(new Error('closed without a result')));
    ws.on('open', () => ws.send(Buffer.from(JSON.stringify({ call, params: [] }))));
    ws.on('message', (data: Buffer, isBinary) => {
      const now = performance.now();
      if (!isBinary) {
        onLine?.(data.toString('utf8'));
        if (lines.push(data.toString('utf8')) !== cancelAfter) return;
        cancelledAt = now;
        return ws.send(Buffer.from('{"signal":"cancel"}'));
      }
      const message = JSON.parse(data.toString('utf8')) as Result | RunAnnouncement;
      if ('run' in message) run = message.run.id;
      else if ('success' in message) resolve({ result: message, lines, run, ms: now - started, cancelMs: cancelledAt === 0 ? 0 : now - cancelledAt });
    });
  });
  try {
    return await soon(`a result of ${call}`, told, toldMs);
  } finally {
    ws.terminate();
  }
}
