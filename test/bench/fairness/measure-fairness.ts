// Measures how long other clients wait while one client keeps the gateway busy.

import { type Figure, quantile, rounded } from '../figures/figure.ts';
import { startBenchGateway } from '../servers.ts';
import { files, frames, sendMalformed, sendWorkspace } from './busy-clients.ts';
import { probeDuring } from './probe.ts';

const requiredMs = 100;

const yaml = `
pipelines: { hostJobs: true }
calls: { wait: { process: [cat] } }
`;

export async function measureFairness(): Promise<readonly Figure[]> {
  const gateway = await startBenchGateway(yaml);
  try {
    return [
      figure(`a client sends a workspace of ${files} files`, await probeDuring(gateway, () => sendWorkspace(gateway))),
      figure(`a client sends ${frames} malformed messages`, await probeDuring(gateway, () => sendMalformed(gateway))),
    ];
  } finally {
    await gateway.stop();
  }
}

function figure(what: string, took: readonly number[]): Figure {
  const p99 = quantile(took, 0.99);
  return {
    name: `response to another client while ${what}: 99 % of them`,
    value: `${rounded(p99)} ms, longest ${rounded(Math.max(...took))} ms`,
    required: `<= ${requiredMs} ms`,
    peer: 'none',
    samples: took.length,
    ok: p99 <= requiredMs,
  };
}
