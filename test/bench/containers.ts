// Measures a container run through the gateway and the docker command in turn, with the same image, command and engine.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { callGateway } from './call-gateway.ts';
import { type Figure, median, rounded } from './figures/figure.ts';
import { startBenchGateway } from './servers.ts';

const rounds = 10;
const required = 1.3;
const image = 'busybox:latest';
const command = ['echo', 'hello'] as const;

export async function measureContainers(): Promise<readonly Figure[]> {
  const host = await sharedEngineHost();
  const ours = await startBenchGateway(
    [
      `docker: { host: "${host}" }\ncalls:\n  hello: { container: { image: "${image}", command: `,
      `[${command.join()}] } }\n`,
    ].join(''),
  );
  const measured: { readonly own: number; readonly peer: number }[] = [];
  try {
    // The first round is a warm-up and does not count.
    for (let round = 0; round <= rounds; round += 1) {
      const pair =
        round % 2 === 0
          ? { own: await timeOwn(ours.port), peer: await timePeer(host) }
          : { peer: await timePeer(host), own: await timeOwn(ours.port) };
      if (round > 0) measured.push(pair);
    }
  } finally {
    await ours.stop();
  }
  const [own, peer] = [median(measured.map((pair) => pair.own)), median(measured.map((pair) => pair.peer))];
  return [
    {
      name: `a container run, from connecting to the result: ${rounded(own)} ms`,
      value: `${rounded(own / peer, 2)}x`,
      required: `<= ${required}x`,
      peer: `docker run --rm, ${rounded(peer)} ms`,
      samples: rounds,
      ok: own / peer <= required,
    },
  ];
}

async function timeOwn(port: number): Promise<number> {
  const { lines, result, ms } = await callGateway(port, { call: 'hello' });
  if (!result.success || lines.join() !== 'hello' || result.cleanup?.clean !== true)
    throw new Error(`the gateway said ${JSON.stringify({ lines, result })}`);
  return ms;
}

async function timePeer(host: string): Promise<number> {
  const started = performance.now();
  const { stdout } = await promisify(execFile)('docker', ['--host', host, 'run', '--rm', image, ...command], {
    timeout: 30_000,
  });
  if (stdout !== 'hello\n') throw new Error(`docker said ${stdout}`);
  return performance.now() - started;
}
