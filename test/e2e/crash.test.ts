// Kills the gateway at random instants while twenty runs of every kind are active, and starts it again, many times.
// Every accepted run must end with one outcome and a clean receipt, and nothing may be left.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import Database from 'libsql';
import type { RunRecord } from '../../protocol/run-record.ts';
import { type RunningCli, startCli } from '../helpers/cli/run-cli.ts';
import { type CrashCall, crashCalls, crashYaml, expectedLineCounts } from '../helpers/crash/call-kinds.ts';
import { sharedEngineHost } from '../helpers/docker/shared-engine.ts';
import { leftoverContainers, leftoverProcesses } from '../helpers/leftovers.ts';
import { createRandom } from '../helpers/seeded-random.ts';
import { waitUntil, withDeadline } from '../helpers/wait-until.ts';
import { connectWsClient } from '../helpers/websocket/ws-client.ts';

const kills = Number(process.env['CRASH_KILLS'] ?? 12);
const seed = Number(process.env['CRASH_SEED'] ?? 20_261_124);
const atOnce = 20;
const lifeMsMax = 600;
/** Probability that a client cancels one run before a kill. */
const cancelShare = 0.6;
const settledMs = 30_000;

describe(`a gateway that is killed ${kills} times during ${atOnce} runs (seed ${seed})`, function () {
  this.timeout(60_000 + kills * 15_000);
  const random = createRandom(seed);
  let folder: string;
  let file: string;
  let served: RunningCli;
  let url: string;
  const started = new Map<string, CrashCall>();
  const cancelled = new Set<string>();
  let records: readonly RunRecord[];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crash-'));
    file = join(folder, 'distillery.yaml');
    await writeFile(file, crashYaml(await sharedEngineHost()));
    await serve();
    for (let i = 0; i < kills; i++) {
      await fill();
      if (random() < cancelShare) await cancelOne();
      // Wait a random time, so that the kills happen at random instants.
      await new Promise((resolve) => setTimeout(resolve, random() * lifeMsMax));
      served.child.kill('SIGKILL');
      await served.result;
      await serve();
    }
    await waitUntil('all runs have ended', async () => (await liveRuns()).length === 0, settledMs);
    records = await allRecords();
  });

  after(async () => {
    served.child.kill('SIGTERM');
    await served.result;
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(): Promise<void> {
    served = startCli(['serve', '--config', file], { env: { LOG_LEVEL: 'error' } });
    url = (await withDeadline('the gateway listens', served.waitForMatch(/listening on (http:\S+)/), 60_000))[1]!;
  }

  const getJson = async (path: string): Promise<unknown> =>
    (await fetch(`${url}/api/v1/http/${path}`, { headers: { connection: 'close' } })).json();

  async function allRecords(): Promise<readonly RunRecord[]> {
    const allRuns: RunRecord[] = [];
    for (let before = ''; ; ) {
      const page = (await getJson(`runs?limit=500${before}`)) as { runs: RunRecord[]; next?: string };
      allRuns.push(...page.runs);
      if (page.next === undefined) return allRuns;
      before = `&before=${page.next}`;
    }
  }

  const liveRuns = async (): Promise<readonly RunRecord[]> =>
    (await allRecords()).filter(({ state }) => state !== 'ended');

  /** Starts runs until `atOnce` are active. Each client disconnects when its run is accepted. */
  async function fill(): Promise<void> {
    const live = (await liveRuns()).length;
    await Promise.all(
      Array.from({ length: atOnce - live }, () => start(crashCalls[Math.floor(random() * crashCalls.length)]!)),
    );
  }

  async function start(kind: CrashCall): Promise<void> {
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    const run = `${kind}-${started.size + 1}`;
    started.set(run, kind);
    client.sendControl({ call: kind, run, onDisconnect: 'detach' });
    const message = await client.next();
    expect(message, run).to.have.nested.property('json.run.id', run);
    client.ws.terminate();
  }

  /**
   * Cancels a random active run. Does not wait for the result, because the test may kill the gateway before the run
   * ends.
   */
  async function cancelOne(): Promise<void> {
    const live = await liveRuns();
    const run = live[Math.floor(random() * live.length)]?.id;
    if (run === undefined) return;
    cancelled.add(run);
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.sendControl({ attach: run });
    await client.next();
    client.sendControl({ signal: 'cancel' });
    client.ws.close();
  }

  const readStoredLines = async (run: string): Promise<readonly string[]> => {
    const lines: string[] = [];
    for (;;) {
      const page = (await getJson(`runs/${run}/lines?after=${lines.length}&limit=10000`)) as {
        lines: string[];
        ended: boolean;
      };
      lines.push(...page.lines);
      if (page.ended) return lines;
    }
  };

  const readEvents = async (run: string): Promise<readonly string[]> => {
    const client = await connectWsClient(`${url.replace('http', 'ws')}/api/v1/ws`, ['distillery.v2']);
    client.sendControl({ attach: run });
    const { json } = await client.readToEnd();
    return json.flatMap((message) => ('event' in message ? [(message['event'] as { type: string }).type] : []));
  };

  it('every accepted run is known and has one outcome and a receipt', () => {
    expect(records.map(({ id }) => id).sort()).to.deep.equal([...started.keys()].sort());
    for (const record of records) {
      expect(record, record.id).to.include({ state: 'ended' });
      expect(record.outcome, record.id).to.be.oneOf([
        'succeeded',
        'failed',
        'cancelled',
        'timed-out',
        'unknown',
        'rejected',
      ]);
      expect(record.cleanup, record.id).to.deep.include({ clean: true, left: [] });
    }
  });

  it('all three outcomes occur, and only runs that a client cancelled have the outcome cancelled', () => {
    const outcomes = new Set(records.map(({ outcome }) => outcome));
    expect([...outcomes]).to.include.members(['succeeded', 'unknown', 'cancelled']);
    for (const { id, outcome } of records) if (outcome === 'cancelled') expect(cancelled.has(id), id).to.equal(true);
  });

  it('a run whose outcome is unknown or rejected has no exit code', () => {
    for (const { id, outcome, exitCode } of records) {
      if (outcome === 'unknown' || outcome === 'rejected') expect(exitCode, id).to.equal(undefined);
    }
  });

  it('every line of each stream is stored once and in order', async () => {
    for (const { id, outcome, lines } of records) {
      const stored = await readStoredLines(id);
      expect(stored.length, id).to.equal(lines);
      const kind = started.get(id)!;
      for (const [stream, count] of expectedLineCounts(kind)) {
        const streamLines = stored.filter((line) => line.startsWith(stream));
        expect(streamLines, `${id} (${outcome})`).to.deep.equal(
          Array.from({ length: streamLines.length }, (_, i) => `${stream}${i + 1}`),
        );
        if (outcome === 'succeeded') expect(streamLines.length, id).to.equal(count);
      }
      expect(
        stored.filter((line) => !/^[oe]\d+$/.test(line)),
        id,
      ).to.deep.equal([]);
    }
  });

  it('every started container loses no output, and its run succeeds unless a client cancelled it', async () => {
    let adopted = 0;
    for (const { id, outcome } of records.filter((record) => started.get(record.id) === 'box')) {
      const events = await readEvents(id);
      if (events.includes('adopted')) adopted += 1;
      if (!events.includes('container-created')) continue;
      expect(events.includes('output-lost'), id).to.equal(false);
      // A run whose container had not started when the gateway was killed may have another outcome.
      if (events.includes('container-started') && !cancelled.has(id)) expect(outcome, id).to.equal('succeeded');
    }
    expect(adopted).to.be.greaterThan(0);
  });

  it('no process, container or journal entry is left', async () => {
    expect(leftoverProcesses()).to.deep.equal([]);
    expect((await leftoverContainers()).filter((container) => /box-\d+/.test(container))).to.deep.equal([]);
    served.child.kill('SIGTERM');
    await served.result;
    const db = new Database(join(folder, 'data', 'runs.db'), { readonly: true });
    expect(db.prepare('SELECT * FROM obligations').all()).to.deep.equal([]);
    db.close();
  });
});
