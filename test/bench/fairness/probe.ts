// A client that measures response times while other clients keep the gateway busy. It has a thread of its own.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { withDeadline } from '../../helpers/wait-until.ts';
import type { BenchServer } from '../servers.ts';

const busyMs = 240_000;

/** Requests `/healthz` every 10 ms, even while responses are pending, and reports how long each one took. */
const prober = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { Agent, get } = require('node:http');
  const agent = new Agent({ keepAlive: true });
  const took = [];
  let due = 0;
  const timer = setInterval(() => {
    const began = performance.now();
    due += 1;
    get({ port: workerData, host: '127.0.0.1', path: '/healthz', agent }, (response) => {
      response.resume().on('end', () => { took.push(performance.now() - began); due -= 1; });
    }).on('error', () => { due -= 1; });
  }, 10);
  parentPort.once('message', () => {
    clearInterval(timer);
    const check = setInterval(() => {
      if (due > 0) return;
      clearInterval(check);
      agent.destroy();
      parentPort.postMessage(took);
    }, 1);
  });
  parentPort.postMessage('ready');`;

/** Starts `work`. Returns how many milliseconds each response took until `work` ended. */
export async function probeDuring(
  { port }: Pick<BenchServer, 'port'>,
  work: () => Promise<void>,
): Promise<readonly number[]> {
  const worker = new Worker(prober, { eval: true, workerData: port });
  await once(worker, 'message');
  await withDeadline('the work is done', work(), busyMs);
  worker.postMessage('stop');
  const [took] = (await once(worker, 'message')) as [readonly number[]];
  await worker.terminate();
  return took;
}
