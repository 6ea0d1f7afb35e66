// The chaos tests: runs of every kind, stopped or abandoned at random moments. Afterwards, nothing is left and every
// session has received its result.

import { copyFile, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import Database from 'libsql';
import type { RunRecord } from '../../../protocol/run-record.ts';
import { type RunningCli, startCli } from '../cli/run-cli.ts';
import { sharedEngineHost } from '../docker/shared-engine.ts';
import { mountSmallDisk, type SmallDisk } from '../gateway/small-disk.ts';
import { leftoverContainers, leftoverProcesses } from '../leftovers.ts';
import { waitUntil } from '../wait-until.ts';
import { chaosYaml } from './call-kinds.ts';
import { checkSession } from './check-session.ts';
import { runSession, type SessionResult } from './run-session.ts';
import { drawPlans, type SessionPlan } from './session-plan.ts';

const atOnce = 20;
const graceMs = 300;
const settledMs = 60_000;
/** Number of consecutive checks, at least 5 ms apart, in which the open files must be the same. */
const stableLooks = 40;

/** The gateway under test. */
export interface ChaosGateway {
  readonly folder: string;
  readonly configFile: string;
  readonly pid: number;
  readonly url: string;
  /** The disk of the data folder, if it has one of its own. */
  readonly disk?: SmallDisk;
}

export interface ChaosOptions {
  /** Number of sessions. */
  readonly count: number;
  readonly seed: number;
  /** Size of a disk of its own for the data folder, in MiB. Default: none. */
  readonly diskMib?: number;
  /** Starts an engine of its own. Default: the shared one. */
  readonly engine?: () => Promise<{ readonly host: string; close(): Promise<void> }>;
  /** Returns environment variables for the gateway in `folder`. */
  readonly env?: (folder: string) => Promise<Readonly<Record<string, string>>>;
  /** Runs beside the sessions, until `signal` aborts. It must restore what the gateway needs before it resolves. */
  readonly disturb?: (gateway: ChaosGateway, signal: AbortSignal) => Promise<void>;
  /** Checks a session and the records of its run. Returns contradictions. Default: `checkSession`. */
  readonly checkResult?: typeof checkSession;
  /** Checks the records of all runs in addition. Returns contradictions. */
  readonly checkRecords?: (records: readonly RunRecord[]) => readonly string[];
  /** Returns the lines of the gateway's log that `disturb` does not explain. Default: all of them. */
  readonly unexplained?: (log: string) => string;
}

/**
 * Declares the chaos tests: `count` mixed runs, each stopped or abandoned at a random moment while `disturb` runs.
 * Afterwards every run has one outcome, and nothing is left.
 */
export function describeChaos(title: string, options: ChaosOptions): void {
  const { count, seed, env, disturb, diskMib } = options;
  describe(`${title} (seed ${seed})`, function () {
    this.timeout(180_000);
    let folder: string;
    let disk: SmallDisk | undefined;
    let engine: { readonly host: string; close(): Promise<void> } | undefined;
    let served: RunningCli;
    let url: string;
    let filesBefore: readonly string[];
    const results: SessionResult[] = [];
    let records: readonly RunRecord[];

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'chaos-'));
      const file = join(folder, 'distillery.yaml');
      engine = await options.engine?.();
      await writeFile(file, chaosYaml(engine?.host ?? (await sharedEngineHost()), graceMs));
      await mkdir(join(folder, 'data'));
      disk = diskMib === undefined ? undefined : await mountSmallDisk(join(folder, 'data'), diskMib);
      served = startCli(['serve', '--config', file], {
        env: { LOG_LEVEL: 'warn', ...(await env?.(folder)) },
        wrapper: disk?.wrapper ?? [],
      });
      url = (await served.waitForMatch(/listening on (http:\S+)/))[1]!;
      await status();
      // Wait until the open files settle: the compiler of the modules and the connection of the request end with a
      // delay.
      let equalLooks = 0;
      filesBefore = await openFiles();
      await waitUntil('the open files of the gateway stay the same', async () => {
        const earlier = filesBefore;
        const children = await readFile(`/proc/${served.child.pid}/task/${served.child.pid}/children`, 'utf8');
        filesBefore = await openFiles();
        equalLooks = children === '' && filesBefore.join() === earlier.join() ? equalLooks + 1 : 0;
        return equalLooks === stableLooks;
      });
    });

    after(async () => {
      // Undefined if `before` failed.
      const gateway = served as RunningCli | undefined;
      gateway?.child.kill('SIGKILL');
      await gateway?.result;
      await disk?.remove();
      await engine?.close();
      await rm(folder, { recursive: true, force: true });
    });

    const getJson = async (path: string): Promise<unknown> =>
      (await fetch(`${url}/api/v1/http/${path}`, { headers: { connection: 'close' } })).json();
    const status = async () =>
      (await getJson('status')) as { sessions: number; runs: Readonly<Record<string, number>> };

    /** Returns the targets of the gateway's open descriptors, sorted and without their numbers. */
    async function openFiles(): Promise<readonly string[]> {
      const names = await readdir(`/proc/${served.child.pid}/fd`);
      const targets = await Promise.all(
        names.map((name) => readlink(`/proc/${served.child.pid}/fd/${name}`).catch(() => '')),
      );
      return targets
        .filter((target) => target !== '')
        .map((target) => target.replace(/:?\[?\d+\]?$/, ''))
        .sort();
    }

    async function allRecords(): Promise<readonly RunRecord[]> {
      const allRuns: RunRecord[] = [];
      for (let page: string | undefined = 'runs?limit=500'; page !== undefined; ) {
        const { runs, next } = (await getJson(page)) as { runs: RunRecord[]; next?: string };
        allRuns.push(...runs);
        page = next === undefined ? undefined : `runs?limit=500&before=${next}`;
      }
      return allRuns;
    }

    it('every session ends', async () => {
      const wsUrl = `${url.replace('http', 'ws')}/api/v1/ws`;
      const plans: SessionPlan[] = [...drawPlans(seed, count)];
      const worker = async (): Promise<void> => {
        for (let plan = plans.shift(); plan !== undefined; plan = plans.shift())
          results.push(await runSession(wsUrl, plan));
      };
      const over = new AbortController();
      const disturbance = disturb?.(
        {
          folder,
          configFile: join(folder, 'distillery.yaml'),
          pid: served.child.pid!,
          url,
          ...(disk !== undefined && { disk }),
        },
        over.signal,
      );
      await Promise.all([Promise.all(Array.from({ length: atOnce }, worker)).finally(() => over.abort()), disturbance]);
      expect(results).to.have.length(count);
    });

    it('every run ends, and no session stays open', async () => {
      await waitUntil(
        'no session and no run is left',
        async () => {
          const {
            sessions,
            runs: { queued, running, cancelling },
          } = await status();
          return sessions === 0 && [queued, running, cancelling].every((number) => number === 0);
        },
        settledMs,
      );
      records = await allRecords();
    });

    it('every run has one outcome and a clean receipt, and every client that stays connected receives both', () => {
      const recordsOf = ({ plan }: SessionResult): RunRecord[] =>
        records.filter(({ params }) => params[0] === plan.tag);
      const problems = [
        ...results.flatMap((one) => (options.checkResult ?? checkSession)(one, recordsOf(one))),
        ...(options.checkRecords?.(records) ?? []),
      ];
      expect(problems.slice(0, 30).join('\n')).to.equal('');
    });

    it('no process of any run is left', () => {
      expect(leftoverProcesses()).to.deep.equal([]);
    });

    it('no container of any run is left', async () => {
      const ids = new Set(records.map(({ id }) => id));
      expect(ids.size).to.be.greaterThan(count / 2);
      expect(await leftoverContainers(undefined, engine?.host)).to.deep.equal([]);
    });

    it('no socket, pipe, terminal or file stays open in the gateway', async () => {
      const isAsBefore = async (): Promise<boolean> => (await openFiles()).join() === filesBefore.join();
      await waitUntil('the open files are those of before', isAsBefore, settledMs).catch(async () =>
        expect(await openFiles()).to.deep.equal(filesBefore),
      );
    });

    it('the journal is empty, and the gateway has logged no internal error', async () => {
      served.child.kill('SIGTERM');
      const { code, stderr } = await served.result;
      // Copy the store: the SQLite driver would resolve a path below /proc in the mount namespace of this process.
      if (disk !== undefined) await copyFile(disk.path('runs.db'), join(folder, 'data', 'runs.db'));
      const store = new Database(join(folder, 'data', 'runs.db'));
      const open = store.prepare('SELECT entry FROM obligations').all();
      const openRuns = store.prepare("SELECT record FROM runs WHERE state <> 'ended'").all();
      store.close();
      expect(options.unexplained?.(stderr) ?? stderr).to.equal('');
      expect({ code, open, openRuns }).to.deep.equal({ code: 0, open: [], openRuns: [] });
    });
  });
}
