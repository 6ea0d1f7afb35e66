// 500 clients at once: how long until each has what it asked for.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { soon } from '../helpers/until.ts';
import { median, quantile, rounded, type Figure } from './figures.ts';
import { clientFrame, open } from './frame-counter.ts';
import { gateway, websocketd } from './parts.ts';

const clients = 500;
const rounds = 3;
const answerMs = 60_000;
const argv = ['sh', '-c', 'echo hello; exec sleep 60'] as const;

/** Both start a process for each client; the first frame says that it is under way: the announcement of the run here, the first line there. */
export async function measureConnect(): Promise<readonly Figure[]> {
  const ours = await gateway(`calls:\n  hello: { process: ${JSON.stringify(argv)}, stop: { grace: 1s } }\n`);
  const theirs = await websocketd([...argv]);
  const measured: { readonly own: number; readonly peer: number }[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const own = await times({ port: ours.port, path: '/api/v1/ws', subprotocol: 'distillery.v2', call: { call: 'hello' } });
      measured.push({ own: quantile(own, 0.95), peer: quantile(await times({ port: theirs.port, path: '/' }), 0.95) });
    }
  } finally {
    await Promise.all([ours.stop(), theirs.stop()]);
  }
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  return [{
    what: `${clients} clients at once: connect to first frame, 95 % of them`, reached: `${rounded(own)} ms`, peer: `websocketd, ${rounded(peer)} ms`, n: rounds, ok: true,
  }];
}

interface Door {
  readonly port: number;
  readonly path: string;
  readonly subprotocol?: string;
  readonly call?: object;
}

async function times(door: Door): Promise<readonly number[]> {
  const sockets: Socket[] = [];
  try {
    return await soon('a first frame for every client', Promise.all(Array.from({ length: clients }, () => timeOne(door, sockets))), answerMs);
  } finally {
    for (const socket of sockets) socket.destroy();
    await Promise.all(sockets.map((socket) => socket.closed || once(socket, 'close')));
  }
}

async function timeOne({ port, call, ...how }: Door, sockets: Socket[]): Promise<number> {
  const started = performance.now();
  const socket = await open(port, how);
  sockets.push(socket);
  socket.on('error', () => {});
  const first = once(socket, 'data');
  if (call !== undefined) socket.write(clientFrame(2, JSON.stringify(call)));
  socket.resume();
  await first;
  return performance.now() - started;
}
