// `npm run bench [-- NAME…]`: measures the gateway against its peers, in turns, and prints one table.

import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { stopSharedEngine } from '../helpers/engine.ts';
import { measureCancel } from './cancel.ts';
import { measureConnect } from './connect.ts';
import { measureContainers } from './containers.ts';
import { measureFanout } from './fanout.ts';
import type { Figure } from './figures.ts';
import { measureIdle } from './idle.ts';
import { measureLatency } from './latency.ts';
import { measureLines } from './lines.ts';
import { measureMemory } from './memory.ts';
import { endAll } from './parts.ts';
import { measurePipelines } from './pipelines.ts';
import { measureReplay } from './replay.ts';
import { asMarkdown, asText } from './table.ts';

const benches: Readonly<Record<string, () => Promise<readonly Figure[]>>> = {
  lines: measureLines, memory: measureMemory, fanout: measureFanout, replay: measureReplay, latency: measureLatency, idle: measureIdle,
  containers: measureContainers, cancel: measureCancel, connect: measureConnect, pipelines: measurePipelines,
};

const help = `usage: npm run bench -- [--markdown] [NAME…]

Measures the gateway against its peers on this machine, in turns, and prints one table. Takes six to ten minutes; with names, only those:
${Object.keys(benches).join(', ')}.

  --markdown   the table as docs/performance.md has it
  --help       this

Exit codes: 0 every required figure is reached, 1 one is missed or could not be measured, 2 wrong arguments.
`;

/** Nothing waits for ever, but the sum of all waits is long. */
const deadlineMs = 20 * 60_000;
/** Above this load figures say more about the machine's other work. */
const quiet = 2.5;

process.exitCode = await main();

async function main(): Promise<number> {
  const asked = read();
  if (typeof asked === 'number') return asked;
  const folder = await mkdtemp(join(tmpdir(), 'bench-'));
  // Children inherit it, and everything of ours is gone with it.
  process.env['TMPDIR'] = folder;
  const wayOut = async (): Promise<void> => {
    await endAll();
    await stopSharedEngine();
    await rm(folder, { recursive: true, force: true });
  };
  const cutShort = (why: string): void => {
    process.stderr.write(`bench: ${why}\n`);
    void wayOut().finally(() => process.exit(1));
  };
  const deadline = setTimeout(() => cutShort(`not done within ${deadlineMs / 60_000} minutes`), deadlineMs);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => cutShort(`ended by ${signal}`));
  try {
    return await measureAll(asked);
  } finally {
    clearTimeout(deadline);
    await wayOut();
  }
}

interface Asked {
  readonly names: readonly string[];
  readonly markdown: boolean;
}

function read(): Asked | number {
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { markdown: { type: 'boolean' }, help: { type: 'boolean' } } });
    if (values.help === true) {
      process.stdout.write(help);
      return 0;
    }
    const unknown = positionals.find((name) => !(name in benches));
    if (unknown !== undefined) throw new Error(`there is no bench "${unknown}"; there are ${Object.keys(benches).join(', ')}`);
    return { names: positionals.length > 0 ? positionals : Object.keys(benches), markdown: values.markdown === true };
  } catch (error) {
    process.stderr.write(`bench: ${(error as Error).message}\n`);
    return 2;
  }
}

async function measureAll({ names, markdown }: Asked): Promise<number> {
  const machine = describeMachine();
  const figures: Figure[] = [];
  let failed = false;
  for (const name of names) {
    process.stderr.write(`bench: ${name} …\n`);
    try {
      figures.push(...await benches[name]!());
    } catch (error) {
      failed = true;
      process.stderr.write(`bench: ${name} could not be measured: ${(error as Error).message}\n`);
    }
  }
  process.stdout.write(`${(markdown ? asMarkdown : asText)(figures)}\n\n${machine}\n`);
  return failed || figures.some(({ ok }) => !ok) ? 1 : 0;
}

function describeMachine(): string {
  const [load = 0] = loadavg();
  if (load > quiet) process.stderr.write(`bench: the machine is busy (load ${load.toFixed(1)}); repeat this when it is not\n`);
  const processors = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return `${processors.length} cores (${processors[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, ${date}, load ${load.toFixed(1)} at the start.`;
}
