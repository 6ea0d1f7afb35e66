// Clients that keep the gateway busy: with a workspace of many files, and with many malformed messages.

import { once } from 'node:events';
import { connect } from 'node:net';
import { pack } from 'tar-stream';
import { WebSocket } from 'ws';
import { handshake } from '../../helpers/websocket/raw-client.ts';
import { encodeFrame } from '../../helpers/websocket/raw-frames.ts';
import type { BenchServer } from '../servers.ts';

export const files = 99_000;
export const frames = 60_000;

type Target = Pick<BenchServer, 'port'>;

const pipeline = 'workflow: [a]\na: { host: true, script: "true" }\n';

export async function sendWorkspace({ port }: Target): Promise<void> {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/api/v1/ws`, ['distillery.v2'], { perMessageDeflate: false });
  const ended = once(ws, 'close');
  await once(ws, 'open');
  let result = '';
  ws.on('message', (data, isBinary) => {
    if (isBinary && String(data).includes('"success"')) result = String(data);
  });
  const options = JSON.stringify({ file: 'pipeline.yaml', workspace: 'input' });
  ws.send(Buffer.from(JSON.stringify({ call: 'pipeline.run', params: [pipeline, options] })));
  for await (const piece of smallFiles()) {
    ws.send(piece.toString('base64'));
    while (ws.bufferedAmount > 1 << 18) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  ws.send(Buffer.from('{"signal":"close"}'));
  await ended;
  if (!result.includes('"success":true')) throw new Error(`the pipeline did not succeed: ${result.slice(0, 500)}`);
}

/** Yields a tar archive in pieces of a multiple of 3 bytes, so that only the last base64 text can have padding. */
async function* smallFiles(): AsyncGenerator<Buffer> {
  const archive = pack();
  void (async () => {
    for (let n = 0; n < files; n += 1)
      if (!archive.entry({ name: `f${n % 100}/file-${n}` }, 'x').write('')) await new Promise(setImmediate);
    archive.finalize();
  })();
  let rest: Buffer = Buffer.alloc(0);
  const bytes = 3 << 14;
  for await (const chunk of archive) {
    rest = Buffer.concat([rest, chunk as Buffer]);
    for (; rest.length >= bytes; rest = rest.subarray(bytes)) yield rest.subarray(0, bytes);
  }
  yield rest;
}

/**
 * Sends binary messages that are not JSON, as fast as the gateway reads them: on one connection without a call, then on
 * another one after a call.
 */
export async function sendMalformed({ port }: Target): Promise<void> {
  for (const call of ['', '{"call":"wait"}']) await sendFrames(port, call);
}

async function sendFrames(port: number, call: string): Promise<void> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  const closed = once(socket, 'close');
  socket.resume();
  socket.write(handshake('localhost', { headers: { 'Sec-WebSocket-Protocol': 'distillery.v2' } }));
  await once(socket, 'data');
  if (call !== '') socket.write(encodeFrame('binary', call));
  socket.write(Buffer.concat(Array.from({ length: frames }, () => encodeFrame('binary', '{"x'))));
  await closed;
}
