// Runs every example of docs/pipelines.md on a real engine, and compares its tables with the language and the events.

import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { formatDiagnosticLine } from '../../calls/text/format-diagnostics.ts';
import type { RunEvent } from '../../protocol/messages.ts';
import { describePipelineEvent } from '../../server/cli/call/pipeline-status.ts';
import { planText } from '../../server/pipeline/engine.ts';
import { healthKeys } from '../../server/pipeline/language/keys/health.ts';
import { jobKeys } from '../../server/pipeline/language/keys/job-keys.ts';
import { retryKeys } from '../../server/pipeline/language/keys/retry.ts';
import { serviceKeys } from '../../server/pipeline/language/keys/service-keys.ts';
import { topKeys } from '../../server/pipeline/language/keys/top-keys.ts';
import type { JobStep, PipelineEvent, SkipReason } from '../../server/pipeline/run/events/events.ts';
import { startCli } from '../helpers/cli/run-cli.ts';
import { openPipelineGateways, type PipelineGateways } from '../helpers/contract/pipeline-gateways.ts';
import { permissionsFor, type VectorSetup } from '../helpers/contract/pipeline-vectors.ts';
import { type FileTree, readFileTree } from '../helpers/pipeline/file-tree.ts';
import type { PipelineRunResult } from '../helpers/pipeline/run-pipeline.ts';
import { allKeys, findUsedKeys } from '../helpers/pipeline/used-keys.ts';

interface Example {
  readonly heading: string;
  readonly yaml: string;
  /** Lines of the text block after the example. */
  readonly expectedOutput: readonly string[];
  readonly given: VectorSetup & {
    readonly kept?: FileTree;
    /** Jobs of which the test compares only the last lines. */
    readonly loose?: readonly string[];
  };
}

type EventType = PipelineEvent['type'];
type Facts<Type extends EventType> = Extract<PipelineEvent, { readonly type: Type }>;

// The compiler checks that these lists are complete. `?` marks optional fields.
const events: {
  readonly [Type in EventType]: {
    readonly [Fact in Exclude<keyof Facts<Type>, 'type' | 'time'>]-?: undefined extends Facts<Type>[Fact] ? '?' : '';
  };
} = {
  'pipeline-planned': { jobs: '', logsWithTime: '', from: '?', of: '?' },
  'pipeline-warning': { message: '', line: '?', column: '?' },
  'job-queued': { job: '' },
  'job-started': { job: '', attempt: '', attempts: '' },
  'job-step': { job: '', step: '' },
  'job-retrying': { job: '', attempt: '', attempts: '', delayMs: '', message: '' },
  'job-skipped': { job: '', reason: '', condition: '?', failed: '?' },
  'job-ended': {
    job: '',
    status: '',
    message: '?',
    exitCode: '?',
    oomKilled: '?',
    command: '?',
    attempts: '',
    attemptsMax: '',
    durationMs: '',
    allowed: '?',
  },
};
const reasons: Readonly<Record<SkipReason, true>> = {
  condition: true,
  upstream_failed: true,
  nothing_failed: true,
  cancelled: true,
};
const steps: Readonly<Record<JobStep['step'], true>> = {
  'image-available': true,
  'image-pulling': true,
  'image-pulled': true,
  'image-building': true,
  'image-built': true,
  'service-starting': true,
  'service-healthy': true,
  'container-creating': true,
  'files-copied': true,
  'container-starting': true,
  'container-started': true,
  'host-started': true,
  'shell-started': true,
  'command-started': true,
  'script-succeeded': true,
  'script-failed': true,
  'artifacts-kept': true,
  'container-removing': true,
  'container-removed': true,
};

const documentText = readFileSync(new URL('../../docs/pipelines.md', import.meta.url), 'utf8');
const examples = readExamples(documentText);
/** Number of examples that run at the same time: each test also starts the next ones, to shorten the total time. */
const ahead = 4;

describe('docs/pipelines.md', function () {
  this.timeout(120_000);
  let peers: PipelineGateways;
  const runs = new Map<Example, ReturnType<PipelineGateways['runPipeline']>>();
  const startExample = (example: Example): ReturnType<PipelineGateways['runPipeline']> => {
    const {
      yaml: text,
      given: { kept: _kept, loose: _loose, ...given },
    } = example;
    const run = runs.get(example) ?? peers.runPipeline({ name: `example-${examples.indexOf(example)}`, text, given });
    run.catch(() => {});
    runs.set(example, run);
    return run;
  };
  before(async () => {
    peers = await openPipelineGateways();
  });
  after(async () => {
    await Promise.allSettled(runs.values());
    await peers.close();
  });

  for (const [at, example] of examples.entries()) {
    const { heading, yaml, expectedOutput, given } = example;
    it(`example ${at + 1}, ${heading}, prints what docs/pipelines.md shows`, async () => {
      for (const next of examples.slice(at, at + ahead)) void startExample(next);
      const { plan, diagnostics } = planText(yaml, permissionsFor({ given }));
      if (plan === undefined) {
        expect(expectedOutput).to.deep.equal(
          diagnostics.map((diagnostic) => formatDiagnosticLine({ ...diagnostic, file: 'pipeline.yaml' })),
        );
        return;
      }
      const { kept, loose = [] } = given;
      const { gateway, pipelineRun } = await startExample(example);
      expect(groupByJob(plainOutput(pipelineRun), loose, expectedOutput)).to.deep.equal(groupByJob(expectedOutput));
      expect(pipelineRun.result['cleanup']).to.deep.include({ clean: true });
      if (kept !== undefined)
        expect(await readFileTree(join(gateway.runsFolder, pipelineRun.run, 'artifacts'))).to.deep.equal(kept);
    });
  }

  it('the plan of an example is printed as docs/pipelines.md shows', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'plan-'));
    try {
      await writeFile(join(folder, 'release.yaml'), examples.find(({ heading }) => heading === 'Order')!.yaml);
      const { stdout } = await startCli(['plan', 'release.yaml'], { cwd: folder, input: '' }).result;
      expect(documentText).to.contain(`    $ distillery plan release.yaml\n${stdout.replaceAll(/^(?=.)/gm, '    ')}`);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('every key has an example in docs/pipelines.md', () => {
    const used = findUsedKeys(examples.map(({ yaml }) => parse(yaml) as unknown));
    expect(allKeys().filter((key) => !used.has(key))).to.deep.equal([]);
  });

  it('docs/pipelines.md names every event, field, reason and step', () => {
    const shown = readColumns('event').map(([type = '', facts = '']) => [
      type,
      facts.replaceAll(/ \([^)]*\)|, more by step/g, '').split(', '),
    ]);
    expect(Object.fromEntries(shown)).to.deep.equal(
      Object.fromEntries(
        Object.entries(events).map(([type, facts]) => [type, Object.entries(facts).map(([fact, may]) => fact + may)]),
      ),
    );
    expect(readFirstColumn('reason')).to.deep.equal(Object.keys(reasons));
    expect(readFirstColumn('step')).to.deep.equal(Object.keys(steps));
  });

  it('docs/pipelines.md has a row for each of the thirty defects', () => {
    expect(readFirstColumn('#').map(Number)).to.deep.equal(Array.from({ length: 30 }, (_, at) => at + 1));
  });

  for (const [title, keys] of [
    ['top-level', topKeys],
    ['job', jobKeys],
    ['retry', retryKeys],
    ['service', serviceKeys],
    ['health', healthKeys],
  ] as const) {
    it(`docs/pipelines.md lists every ${title} key`, () => {
      expect(readFirstColumn(`${title} key`).sort()).to.deep.equal(Object.keys(keys).sort());
    });
  }
});

/** Returns each block of YAML, with the comment before it and the text block after it. */
function readExamples(document: string): readonly Example[] {
  const found: Example[] = [];
  let heading = '';
  let given: Example['given'] = {};
  for (const part of document.matchAll(
    /^#+ (.*)$|^<!-- given: ([\s\S]*?) -->$|^```yaml\n([\s\S]*?)^```\n\n```text\n([\s\S]*?)^```$/gm,
  )) {
    const [, title, json, yaml, shown] = part;
    if (title !== undefined) heading = title;
    if (json !== undefined) given = JSON.parse(json) as Example['given'];
    if (yaml === undefined || shown === undefined) continue;
    found.push({ heading, yaml, expectedOutput: shown.trimEnd().split('\n'), given });
    given = {};
  }
  const blocks = document.match(/^```yaml$/gm)?.length ?? 0;
  if (found.length !== blocks)
    throw new Error(`${blocks - found.length} of ${blocks} examples do not say what comes of them`);
  return found;
}

/** Formats output like `distillery run --plain`, without messages about success. */
function plainOutput({ received, result }: PipelineRunResult): readonly string[] {
  const lines = received.flatMap((one) => {
    if ('event' in one) {
      const event = one.event as RunEvent;
      return ['pipeline-warning', 'job-retrying', 'job-skipped'].includes(event.type)
        ? (describePipelineEvent(event) ?? [])
        : [];
    }
    return `${one.job === undefined ? '' : `[${one.job}] `}${one.text}`;
  });
  const { status, message } = result as { status: string; message?: string };
  return [...lines, message === undefined ? status : `${status}: ${message}`];
}

/** Groups lines by job, because lines of parallel jobs arrive in any order. */
function groupByJob(
  lines: readonly string[],
  loose: readonly string[] = [],
  shown: readonly string[] = [],
): Readonly<Record<string, readonly string[]>> {
  const jobs: Record<string, string[]> = {};
  for (const line of lines) (jobs[jobOfLine(line)] ??= []).push(line);
  for (const job of loose) jobs[job] = (jobs[job] ?? []).slice(-shown.filter((line) => jobOfLine(line) === job).length);
  return jobs;
}

function jobOfLine(line: string): string {
  return /^\[([^\]]*)\]/.exec(line)?.[1] ?? '';
}

/** Returns the first column of the table whose first column has this title, without code marks. */
function readFirstColumn(title: string): string[] {
  return readColumns(title).map(([cell = '']) => cell);
}

function readColumns(title: string): readonly (readonly string[])[] {
  const lines = documentText.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${title} |`));
  if (start === -1) throw new Error(`there is no table of "${title}"`);
  const end = lines.findIndex((line, at) => at > start && !line.startsWith('|'));
  return lines.slice(start + 2, end).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.replaceAll('`', '').trim()),
  );
}
