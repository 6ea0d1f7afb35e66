// Makes one call with the ws client and measures how long it takes.

import { WebSocket } from 'ws';
import type { Result, RunAnnouncement } from '../../protocol/messages.ts';
import { withDeadline } from '../helpers/wait-until.ts';

export interface CallMeasurement {
  readonly result: Result;
  readonly lines: readonly string[];
  readonly run: string;
  /** Time from opening the connection to the result. */
  readonly ms: number;
  /** Time from the cancel to the result, or 0 without a cancel. */
  readonly cancelMs: number;
}

export interface CallRequest {
  readonly call: string;
  /** Cancels after this number of lines. */
  readonly cancelAfter?: number;
  /** Called with each line as it arrives. */
  readonly onLine?: (line: string) => void;
}

const resultMs = 30_000;

/** Makes a call in `distillery.v2`. Rejects if no result arrives before the deadline. */
export async function callGateway(port: number, { call, cancelAfter, onLine }: CallRequest): Promise<CallMeasurement> {
  const started = performance.now();
  const ws = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`, ['distillery.v2'], { perMessageDeflate: false });
  const lines: string[] = [];
  let [run, cancelledAt] = ['', 0];
  const measured = new Promise<CallMeasurement>((resolve, reject) => {
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
      else if ('success' in message)
        resolve({
          result: message,
          lines,
          run,
          ms: now - started,
          cancelMs: cancelledAt === 0 ? 0 : now - cancelledAt,
        });
    });
  });
  try {
    return await withDeadline(`a result of ${call}`, measured, resultMs);
  } finally {
    ws.terminate();
  }
}
