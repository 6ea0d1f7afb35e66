// What a container run costs through the gateway, against the docker command: same image, command and engine, in turns.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sharedEngine } from '../helpers/engine.ts';
import { median, rounded, type Figure } from './figures.ts';
import { gateway } from './parts.ts';
import { ask } from './told.ts';

const rounds = 10;
const required = 1.3;
const image = 'busybox:latest';
const command = ['echo', 'hello'] as const;

export async function measureContainers(): Promise<readonly Figure[]> {
  const host = await sharedEngine();
  const ours = await gateway(`docker: { host: "${host}" }\ncalls:\n  hello: { container: { image: "${image}", command: [${command.join()}] } }\n`);
  const measured: { readonly own: number; readonly peer: number }[] = [];
  try {
    // The first of each is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const pair = round % 2 === 0 ? { own: await timeOwn(ours.port), peer: await timePeer(host) } : { peer: await timePeer(host), own: await timeOwn(ours.port) };
      if (round > 0) measured.push(pair);
    }
  } finally {
    await ours.stop();
  }
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  return [{
    what: `a container run, from connecting to the result: ${rounded(own)} ms`, reached: `${rounded(own / peer, 2)}x`, required: `<= ${required}x`,
    peer: `docker run --rm, ${rounded(peer)} ms`, n: rounds, ok: own / peer <= required,
  }];
}

async function timeOwn(port: number): Promise<number> {
  const { lines, result, ms } = await ask(port, { call: 'hello' });
  if (!result.success || lines.join() !== 'hello' || result.cleanup?.clean !== true) throw new Error(`the gateway said ${JSON.stringify({ lines, result })}`);
  return ms;
}

async function timePeer(host: string): Promise<number> {
  const started = performance.now();
  const { stdout } = await promisify(execFile)('docker', ['--host', host, 'run', '--rm', image, ...command], { timeout: 30_000 });
  if (stdout !== 'hello\n') throw new Error(`docker said ${stdout}`);
  return performance.now() - started;
}
