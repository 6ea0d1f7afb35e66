// The gateway is killed at random instants under twenty runs of every kind, and started again, over and over: nothing is stuck, orphaned or made up.

import { expect } from 'chai';
import Database from 'libsql';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunRecord } from '../../protocol/record.ts';
import { startCli, type RunningCli } from '../helpers/cli.ts';
import { sharedEngine } from '../helpers/engine.ts';
import { containersLeft, runProcessesLeft } from '../helpers/leftovers.ts';
import { randomFrom } from '../helpers/random.ts';
import { soon, until } from '../helpers/until.ts';
import { wsClient } from '../helpers/ws-client.ts';
import { crashYaml, kinds, linesOf, type Kind } from './crash/kinds.ts';

const kills = Number(process.env['CRASH_KILLS'] ?? 12);
const seed = Number(process.env['CRASH_SEED'] ?? 20_261_124);
const atOnce = 20;
const lifeMsMax = 600;
/** Of the rounds; in each of them one run, whichever, is asked to stop just before the gateway is killed. */
const cancelShare = 0.6;
const settledMs = 30_000;

describe(`a gateway that is killed ${kills} times under ${atOnce} runs (seed ${seed})`, function () {
  this.timeout(60_000 + kills * 5_000);
  const random = randomFrom(seed);
  let folder: string;
  let file: string;
  let served: RunningCli;
  let url: string;
  const begun = new Map<string, Kind>();
  const cancelled = new Set<string>();
  let records: readonly RunRecord[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crash-'));
    file = join(folder, 'distillery.yaml');
    await writeFile(file, crashYaml(await sharedEngine()));
    await serve();
    for (let i = 0; i < kills; i++) {
      await fill();
      if (random() < cancelShare) await cancelOne();
      // The instant is what is random here; nothing is waited for.
      await new Promise((resolve) => setTimeout(resolve, random() * lifeMsMax));
      served.child.kill('SIGKILL');
      await served.ended;
      await serve();
    }
    await until('all runs have ended', async () => (await liveRuns()).length === 0, settledMs);
    records = await allRecords();
  });

  after(async () => {
    served.child.kill('SIGTERM');
    await served.ended;
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(): Promise<void> {
    served = startCli(['serve', '--config', file], { env: { LOG_LEVEL: 'error' } });
    url = (await soon('the gateway listens', served.says(/listening on (http:\S+)/), 60_000))[1]!;
  }

  const getJson = async (path: string): Promise<unknown> => (await fetch(`${url}/api/v1/http/${path}`, { headers: { connection: 'close' } })).json();

  async function allRecords(): Promise<readonly RunRecord[]> {
    const found: RunRecord[] = [];
    for (let before = ''; ;) {
      const page = (await getJson(`runs?limit=500${before}`)) as { runs: RunRecord[]; next?: string };
      found.push(...page.runs);
      if (page.next === undefined) return found;
      before = `&before=${page.next}`;
    }
  }

  const liveRuns = async (): Promise<readonly RunRecord[]> => (await allRecords()).filter(({ state }) => state !== 'ended');

  /** Starts runs until there are as many as there shall be; each is accepted, and then left to itself. */
  async function fill(): Promise<void> {
    const live = (await liveRuns()).length;
    await Promise.all(Array.from({ length: atOnce - live }, () => start(kinds[Math.floor(random() * kinds.length)]!)));
  }

  async function start(kind: Kind): Promise<void> {
    const client = await wsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    const run = `${kind}-${begun.size + 1}`;
    begun.set(run, kind);
    client.control({ call: kind, run, onDisconnect: 'detach' });
    const said = await client.next();
    expect(said, run).to.have.nested.property('json.run.id', run);
    client.ws.terminate();
  }

  /** Nobody waits for the answer: the gateway may be killed while it stops the run, or before. */
  async function cancelOne(): Promise<void> {
    const live = await liveRuns();
    const run = live[Math.floor(random() * live.length)]?.id;
    if (run === undefined) return;
    cancelled.add(run);
    const client = await wsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.control({ attach: run });
    await client.next();
    client.control({ signal: 'cancel' });
    client.ws.close();
  }

  const stored = async (run: string): Promise<readonly string[]> => {
    const found: string[] = [];
    for (;;) {
      const page = (await getJson(`runs/${run}/lines?after=${found.length}&limit=10000`)) as { lines: string[]; ended: boolean };
      found.push(...page.lines);
      if (page.ended) return found;
    }
  };

  const eventsOf = async (run: string): Promise<readonly string[]> => {
    const client = await wsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.control({ attach: run });
    const { json } = await client.rest();
    return json.flatMap((message) => ('event' in message ? [(message['event'] as { type: string }).type] : []));
  };

  it('knows every run that was accepted, and each has one outcome and a receipt', () => {
    expect(records.map(({ id }) => id).sort()).to.deep.equal([...begun.keys()].sort());
    for (const record of records) {
      expect(record, record.id).to.include({ state: 'ended' });
      expect(record.outcome, record.id).to.be.oneOf(['succeeded', 'failed', 'cancelled', 'timed-out', 'unknown', 'rejected']);
      expect(record.cleanup, record.id).to.deep.include({ clean: true, left: [] });
    }
  });

  it('has ended in each way there is, and cancelled none that nobody cancelled', () => {
    const outcomes = new Set(records.map(({ outcome }) => outcome));
    expect([...outcomes]).to.include.members(['succeeded', 'unknown', 'cancelled']);
    for (const { id, outcome } of records) if (outcome === 'cancelled') expect(cancelled.has(id), id).to.equal(true);
  });

  it('says of no run that is not a container how it ended when it did not see it', () => {
    for (const { id, outcome, exitCode } of records) {
      if (outcome === 'unknown' || outcome === 'rejected') expect(exitCode, id).to.equal(undefined);
    }
  });

  it('has stored every line once and in order, of each stream', async () => {
    for (const { id, outcome, lines } of records) {
      const found = await stored(id);
      expect(found.length, id).to.equal(lines);
      const kind = begun.get(id)!;
      for (const [stream, count] of linesOf(kind)) {
        const ofStream = found.filter((line) => line.startsWith(stream));
        expect(ofStream, `${id} (${outcome})`).to.deep.equal(Array.from({ length: ofStream.length }, (_, i) => `${stream}${i + 1}`));
        if (outcome === 'succeeded') expect(ofStream.length, id).to.equal(count);
      }
      expect(found.filter((line) => !/^[oe]\d+$/.test(line)), id).to.deep.equal([]);
    }
  });

  it('has gone on with every container whose work was still to be seen, or has said what is missing', async () => {
    let adopted = 0;
    for (const { id, outcome } of records.filter((record) => begun.get(record.id) === 'box')) {
      const events = await eventsOf(id);
      if (events.includes('adopted')) adopted += 1;
      if (!events.includes('container-created')) continue;
      expect(events.includes('output-lost'), id).to.equal(false);
      // Started, and not seen by anybody again, is what must not happen.
      if (events.includes('container-started') && !cancelled.has(id)) expect(outcome, id).to.equal('succeeded');
    }
    expect(adopted).to.be.greaterThan(0);
  });

  it('has left no process, no container and nothing in the journal', async () => {
    expect(runProcessesLeft()).to.deep.equal([]);
    expect((await containersLeft()).filter((container) => /box-\d+/.test(container))).to.deep.equal([]);
    served.child.kill('SIGTERM');
    await served.ended;
    const db = new Database(join(folder, 'data', 'runs.db'), { readonly: true });
    expect(db.prepare('SELECT * FROM obligations').all()).to.deep.equal([]);
    db.close();
  });
});
