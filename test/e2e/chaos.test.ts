// 500 runs of every kind, each stopped or abandoned at a random moment: afterwards nothing is left, and every story is told to its end.

import { expect } from 'chai';
import { mkdtemp, readdir, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'libsql';
import type { RunRecord } from '../../protocol/record.ts';
import { startCli, type RunningCli } from '../helpers/cli.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { containersLeft, runProcessesLeft } from '../helpers/leftovers.ts';
import { until } from '../helpers/until.ts';
import { judge } from './chaos/judge.ts';
import { chaosYaml } from './chaos/kinds.ts';
import { drawPlans, type Plan } from './chaos/plan.ts';
import { visit, type Visit } from './chaos/visit.ts';

const count = Number(process.env['CHAOS_RUNS'] ?? 500);
const seed = Number(process.env['CHAOS_SEED'] ?? 20_261_122);
const atOnce = 20;
const graceMs = 300;
const settledMs = 20_000;

describe(`chaos: ${count} runs of mixed kinds, each stopped or abandoned at a random moment (seed ${seed})`, function () {
  this.timeout(180_000);
  let folder: string;
  let served: RunningCli;
  let url: string;
  let filesBefore: readonly string[];
  const visits: Visit[] = [];
  let records: readonly RunRecord[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'chaos-'));
    const file = join(folder, 'distillery.yaml');
    await writeFile(file, chaosYaml(await sharedEngine(), graceMs));
    served = startCli(['serve', '--config', file], { env: { LOG_LEVEL: 'warn' } });
    url = (await served.says(/listening on (http:\S+)/))[1]!;
    await status();
    filesBefore = await openFiles();
  });

  after(async () => {
    served.child.kill('SIGKILL');
    await served.ended;
    await rm(folder, { recursive: true, force: true });
  });

  const getJson = async (path: string): Promise<unknown> => (await fetch(`${url}/api/v1/http/${path}`, { headers: { connection: 'close' } })).json();
  const status = async () => (await getJson('status')) as { sessions: number; runs: Readonly<Record<string, number>> };

  /** What the gateway has open, by kind: sockets, pipes, terminals, files. */
  async function openFiles(): Promise<readonly string[]> {
    const names = await readdir(`/proc/${served.child.pid}/fd`);
    const targets = await Promise.all(names.map((name) => readlink(`/proc/${served.child.pid}/fd/${name}`).catch(() => '')));
    return targets.filter((target) => target !== '').map((target) => target.replace(/:?\[?\d+\]?$/, '')).sort();
  }

  async function allRecords(): Promise<readonly RunRecord[]> {
    const found: RunRecord[] = [];
    for (let page: string | undefined = 'runs?limit=500'; page !== undefined;) {
      const { runs, next } = (await getJson(page)) as { runs: RunRecord[]; next?: string };
      found.push(...runs);
      page = next === undefined ? undefined : `runs?limit=500&before=${next}`;
    }
    return found;
  }

  it('every session comes to its end', async () => {
    const wsUrl = `${url.replace('http', 'ws')}/api/v1/ws`;
    const plans: Plan[] = [...drawPlans(seed, count)];
    const worker = async (): Promise<void> => {
      for (let plan = plans.shift(); plan !== undefined; plan = plans.shift()) visits.push(await visit(wsUrl, plan));
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    expect(visits).to.have.length(count);
  });

  it('every run ends, and no session is open any more', async () => {
    await until('no session and no run', async () => {
      const { sessions, runs: { queued, running, cancelling } } = await status();
      return sessions === 0 && [queued, running, cancelling].every((number) => number === 0);
    }, settledMs);
    records = await allRecords();
  });

  it('every run has one outcome, a clean receipt, and told the same to whoever stayed', () => {
    const ofVisit = ({ plan }: Visit): RunRecord[] => records.filter(({ params }) => params[0] === plan.tag);
    const complaints = visits.flatMap((one) => judge(one, ofVisit(one)));
    expect(complaints.slice(0, 30).join('\n')).to.equal('');
  });

  it('no process of any run is left', () => {
    expect(runProcessesLeft()).to.deep.equal([]);
  });

  it('no container of any run is left', async () => {
    const ids = new Set(records.map(({ id }) => id));
    expect(ids.size).to.be.greaterThan(count / 2);
    expect(await containersLeft()).to.deep.equal([]);
  });

  it('no socket, pipe, terminal or file is left open in the gateway', async () => {
    await until(`open files are ${filesBefore.join(' ')}`, async () => (await openFiles()).join() === filesBefore.join(), settledMs);
  });

  it('the journal is empty, and the gateway made no mistake', async () => {
    served.child.kill('SIGTERM');
    const { code, stderr } = await served.ended;
    const store = new Database(join(folder, 'data', 'runs.db'));
    const open = store.prepare('SELECT entry FROM obligations').all();
    const unended = store.prepare("SELECT record FROM runs WHERE state <> 'ended'").all();
    store.close();
    expect(stderr).to.equal('');
    expect({ code, open, unended }).to.deep.equal({ code: 0, open: [], unended: [] });
  });
});
