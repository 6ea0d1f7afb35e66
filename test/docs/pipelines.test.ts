// docs/pipelines.md says what the code does: every example is run on a real engine, and its tables are held against the language and the events.

import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { complaintLine } from '../../calls/contract/pipeline-complaint.ts';
import { describePipelineEvent } from '../../server/cli/call/pipeline-status.ts';
import type { RunEvent } from '../../protocol/messages.ts';
import { planText } from '../../server/pipeline/engine.ts';
import { healthKeys } from '../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../server/pipeline/language/keys/top-keys.ts';
import type { JobStep, PipelineEvent, SkipReason } from '../../server/pipeline/run/events.ts';
import { allowanceFor, type Given } from '../contract/pipeline-vectors.ts';
import { openPeers, type Peers } from '../contract/pipeline-peers.ts';
import { startCli } from '../helpers/cli.ts';
import { allKeys, keysUsed } from '../helpers/pipelines/keys-used.ts';
import type { Played } from '../helpers/pipelines/play.ts';
import { readTree, type Tree } from '../helpers/pipelines/tree.ts';

interface Example {
  readonly heading: string;
  readonly yaml: string;
  /** What is shown behind it. */
  readonly shown: readonly string[];
  readonly given: Given & { readonly kept?: Tree; /** Jobs of which only the last lines are shown. */ readonly loose?: readonly string[] };
}

type EventType = PipelineEvent['type'];
type Facts<Type extends EventType> = Extract<PipelineEvent, { readonly type: Type }>;

// The compiler sees to it that these have all there are: `?` is behind those that may be absent.
const events: { readonly [Type in EventType]: { readonly [Fact in Exclude<keyof Facts<Type>, 'type' | 'time'>]-?: undefined extends Facts<Type>[Fact] ? '?' : '' } } = {
  'pipeline-planned': { jobs: '', logsWithTime: '', from: '?', of: '?' },
  'pipeline-warning': { message: '', line: '?', column: '?' },
  'job-queued': { job: '' },
  'job-started': { job: '', attempt: '', attempts: '' },
  'job-step': { job: '', step: '' },
  'job-retrying': { job: '', attempt: '', attempts: '', delayMs: '', message: '' },
  'job-skipped': { job: '', reason: '', condition: '?', failed: '?' },
  'job-ended': { job: '', status: '', message: '?', exitCode: '?', oomKilled: '?', command: '?', attempts: '', attemptsMax: '', durationMs: '', allowed: '?' },
};
const reasons: Readonly<Record<SkipReason, true>> = { condition: true, upstream_failed: true, nothing_failed: true, cancelled: true };
const steps: Readonly<Record<JobStep['step'], true>> = {
  'image-available': true, 'image-pulling': true, 'image-pulled': true, 'image-building': true, 'image-built': true, 'service-starting': true, 'service-healthy': true,
  'container-creating': true, 'files-copied': true, 'container-starting': true, 'container-started': true, 'host-started': true, 'shell-started': true,
  'command-started': true, 'script-succeeded': true, 'script-failed': true, 'artifacts-kept': true, 'container-removing': true, 'container-removed': true,
};

const text = readFileSync(new URL('../../docs/pipelines.md', import.meta.url), 'utf8');
const examples = readExamples(text);
/** Begun before it is their turn. */
const ahead = 4;

describe('docs/pipelines.md', function () {
  this.timeout(120_000);
  let peers: Peers;
  const runs = new Map<Example, ReturnType<Peers['run']>>();
  const begin = (example: Example): ReturnType<Peers['run']> => {
    const { yaml: text, given: { kept: _kept, loose: _loose, ...given } } = example;
    const run = runs.get(example) ?? peers.run({ name: `example-${examples.indexOf(example)}`, text, given });
    run.catch(() => {});
    runs.set(example, run);
    return run;
  };
  before(async () => { peers = await openPeers(); });
  after(async () => {
    await Promise.allSettled(runs.values());
    await peers.close();
  });

  for (const [at, example] of examples.entries()) {
    const { heading, yaml, shown, given } = example;
    it(`shows what comes of example ${at + 1}, ${heading}`, async () => {
      for (const next of examples.slice(at, at + ahead)) void begin(next);
      const { plan, complaints } = planText(yaml, allowanceFor({ given }));
      if (plan === undefined) {
        expect(shown).to.deep.equal(complaints.map((complaint) => complaintLine('pipeline.yaml', complaint)));
        return;
      }
      const { kept, loose = [] } = given;
      const { gateway, played } = await begin(example);
      expect(byJob(printed(played), loose, shown)).to.deep.equal(byJob(shown));
      expect(played.result['cleanup']).to.deep.include({ clean: true });
      if (kept !== undefined) expect(await readTree(join(gateway.runsFolder, played.run, 'artifacts'))).to.deep.equal(kept);
    });
  }

  it('shows the plan of an example as it is printed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plan-'));
    try {
      await writeFile(join(folder, 'release.yaml'), examples.find(({ heading }) => heading === 'Order')!.yaml);
      const { stdout } = await startCli(['plan', 'release.yaml'], { cwd: folder, input: '' }).ended;
      expect(text).to.contain(`    $ distillery plan release.yaml\n${stdout.replaceAll(/^(?=.)/gm, '    ')}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('has an example for every key', () => {
    const used = keysUsed(examples.map(({ yaml }) => parse(yaml) as unknown));
    expect(allKeys().filter((key) => !used.has(key))).to.deep.equal([]);
  });

  it('names every event with its facts, and every reason and step', () => {
    const shown = columns('event').map(([type = '', facts = '']) => [type, facts.replaceAll(/ \([^)]*\)|, more by step/g, '').split(', ')]);
    expect(Object.fromEntries(shown)).to.deep.equal(Object.fromEntries(Object.entries(events).map(([type, facts]) => [type, Object.entries(facts).map(([fact, may]) => fact + may)])));
    expect(firstColumn('reason')).to.deep.equal(Object.keys(reasons));
    expect(firstColumn('step')).to.deep.equal(Object.keys(steps));
  });

  it('has a row for each of the thirty defects', () => {
    expect(firstColumn('#').map(Number)).to.deep.equal(Array.from({ length: 30 }, (_, at) => at + 1));
  });

  for (const [title, keys] of [['top-level', topKeys], ['job', jobKeys], ['retry', retryKeys], ['service', serviceKeys], ['health', healthKeys]] as const) {
    it(`has every ${title} key, and no other`, () => {
      expect(firstColumn(`${title} key`).sort()).to.deep.equal(Object.keys(keys).sort());
    });
  }
});

/** Each block of YAML with the comment before it and the block of text behind it. */
function readExamples(document: string): readonly Example[] {
  const found: Example[] = [];
  let heading = '';
  let given: Example['given'] = {};
  for (const part of document.matchAll(/^#+ (.*)$|^<!-- given: (.*) -->$|^```yaml\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm)) {
    const [, title, json, yaml, shown] = part;
    if (title !== undefined) heading = title;
    if (json !== undefined) given = JSON.parse(json) as Example['given'];
    if (yaml === undefined || shown === undefined) continue;
    found.push({ heading, yaml, shown: shown.trimEnd().split('\n'), given });
    given = {};
  }
  const blocks = document.match(/^```yaml$/gm)?.length ?? 0;
  if (found.length !== blocks) throw new Error(`${blocks - found.length} of ${blocks} examples do not say what comes of them`);
  return found;
}

/** As `distillery run --plain` shows it, without what goes well. */
function printed({ heard, result }: Played): readonly string[] {
  const told = heard.flatMap((one) => {
    if ('event' in one) {
      const event = one.event as RunEvent;
      return ['pipeline-warning', 'job-retrying', 'job-skipped'].includes(event.type) ? describePipelineEvent(event) ?? [] : [];
    }
    return `${one.job === undefined ? '' : `[${one.job}] `}${one.text}`;
  });
  const { status, message } = result as { status: string; message?: string };
  return [...told, message === undefined ? status : `${status}: ${message}`];
}

/** Lines of jobs side by side come in any order. */
function byJob(lines: readonly string[], loose: readonly string[] = [], shown: readonly string[] = []): Readonly<Record<string, readonly string[]>> {
  const jobs: Record<string, string[]> = {};
  for (const line of lines) (jobs[jobOf(line)] ??= []).push(line);
  for (const job of loose) jobs[job] = (jobs[job] ?? []).slice(-shown.filter((line) => jobOf(line) === job).length);
  return jobs;
}

function jobOf(line: string): string {
  return /^\[([^\]]*)\]/.exec(line)?.[1] ?? '';
}

/** Of the table whose first column has this title, without the marks of code. */
function firstColumn(title: string): string[] {
  return columns(title).map(([cell = '']) => cell);
}

function columns(title: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  if (start === -1) throw new Error(`there is no table of "${title}"`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) => line.split('|').slice(1, -1).map((cell) => cell.replaceAll('`', '').trim()));
}
