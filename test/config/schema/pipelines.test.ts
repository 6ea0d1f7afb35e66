// Tests the pipelines of declared calls while the configuration is loaded. A fake planner reports every line that
// contains the word "error" or "warning".

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { PipelinePermissions, PlanPipeline } from '../../../calls/contract/engines.ts';
import { formatDiagnosticLine, formatDiagnostics } from '../../../calls/text/format-diagnostics.ts';
import { loadConfig } from '../../../server/config/load/load.ts';
import { configBytesMax } from '../../../server/config/load/read-file.ts';
import { type ConfigChange, watchConfig } from '../../../server/config/reload/watch.ts';
import { recordingContext } from '../../helpers/calls/recording-engines.ts';
import { type Folder, inFolder } from '../../helpers/config/config-folder.ts';

const planPipeline: PlanPipeline = (text) => ({
  diagnostics: text.split('\n').flatMap((line, at) =>
    ['error', 'warning'].flatMap((word) =>
      line.includes(word)
        ? [
            {
              severity: word as 'error' | 'warning',
              message: 'is odd',
              job: 'build',
              field: 'image',
              line: at + 1,
              column: line.indexOf(word) + 1,
              length: word.length,
              suggestions: ['leave it out'],
            },
          ]
        : [],
    ),
  ),
});

async function loadDiagnostics({ path, file, write }: Folder, yaml: string): Promise<readonly string[]> {
  await write('distillery.yaml', yaml);
  const loaded = await loadConfig(file, { planPipeline });
  const found = loaded.ok
    ? loaded.warnings.map((warning) => `warning ${formatDiagnosticLine(warning)}`)
    : loaded.diagnostics.map(formatDiagnosticLine);
  return found.map((line) => line.replaceAll(`${path}/`, ''));
}

describe('the pipelines of a configuration', () => {
  it('diagnostics of a pipeline file name that file and follow those of the configuration', () =>
    inFolder(async (folder) => {
      await mkdir(join(folder.path, 'ci'));
      await folder.write('ci/b.yaml', 'fine\n  an error here\n');
      await folder.write('a.yaml', 'error\nwarning\nerror\n');
      expect(
        await loadDiagnostics(
          folder,
          'calls:\n  b: { pipeline: ci/b.yaml }\n  a: { pipeline: { file: ./a.yaml }, tmeout: 5m }\n',
        ),
      ).to.deep.equal([
        'distillery.yaml:3:38: calls.a: unknown key "tmeout"; did you mean "timeout"?',
        'ci/b.yaml:2:6: build.image: is odd; leave it out',
        'a.yaml:1:1: build.image: is odd; leave it out',
        'a.yaml:3:1: build.image: is odd; leave it out',
      ]);
    }));

  it('diagnostics of a pipeline file show the line of that file', () =>
    inFolder(async ({ write, file }) => {
      await write('a.yaml', 'fine\r\n  an error here\r\n');
      const loaded = await loadConfig(await write('distillery.yaml', 'calls: { a: { pipeline: a.yaml } }'), {
        planPipeline,
      });
      const printed = loaded.ok ? '' : formatDiagnostics(loaded.diagnostics);
      expect(printed.split('\n').slice(1)).to.deep.equal([
        '      an error here',
        '         ^^^^^',
        '    hint: leave it out',
      ]);
      expect(printed).to.contain(file.replace('distillery.yaml', 'a.yaml:2:6:'));
    }));

  it('a diagnostic of a pipeline file of several calls is reported once; a warning rejects no configuration', () =>
    inFolder(async (folder) => {
      await folder.write('a.yaml', 'a warning\n');
      expect(
        await loadDiagnostics(folder, 'calls: { a: { pipeline: a.yaml }, b: { pipeline: a.yaml } }'),
      ).to.deep.equal(['warning a.yaml:1:3: build.image: is odd; leave it out']);
    }));

  it('a pipeline file is checked with the permissions of its call', () =>
    inFolder(async ({ write }) => {
      const requests: PipelinePermissions[] = [];
      await write('a.yaml', '');
      const file = await write(
        'distillery.yaml',
        'pipelines: { hostJobs: true, mounts: [data] }\nsecrets: { A: { variable: A }, B: { variable: ' +
          'B, calls: [b] } }\ncalls: { a: { pipeline: a.yaml } }',
      );
      await loadConfig(file, {
        planPipeline: (_text, allow) => {
          requests.push(allow);
          return { diagnostics: [] };
        },
      });
      expect(requests).to.deep.equal([
        {
          hostJobs: true,
          mounts: [file.replace('distillery.yaml', 'data')],
          hostNetwork: false,
          engines: [],
          secrets: ['A'],
        },
      ]);
    }));

  it('a pipeline file that cannot be read causes a diagnostic of the configuration', () =>
    inFolder(async (folder) => {
      await folder.write('large.yaml', '#'.repeat(configBytesMax + 1));
      await mkdir(join(folder.path, 'ci'));
      expect(
        await loadDiagnostics(
          folder,
          'calls:\n  a: { pipeline: large.yaml }\n  b: { pipeline: ci }\n  c: { pipeline: ../no.yaml }\n',
        ),
      ).to.deep.equal([
        'distillery.yaml:2:18: calls.a.pipeline: cannot read the pipeline "large.yaml": the file is ' +
          'larger than 1m; check that it is the right one',
        'distillery.yaml:3:18: calls.b.pipeline: cannot read the pipeline "ci": this is a folder, not a file',
        'distillery.yaml:4:18: calls.c.pipeline: cannot read the pipeline "../no.yaml": the file does not exist',
      ]);
    }));

  it('the check of pipelines ignores permissions and secrets of the wrong shape', () =>
    inFolder(async (folder) => {
      await folder.write('a.yaml', '');
      expect(
        await loadDiagnostics(
          folder,
          'pipelines: { mounts: [1], engines: 3 }\nsecrets: { A: { file: 3, calls: x } }\ncalls: { a: { ' +
            'pipeline: a.yaml } }',
        ),
      ).to.have.length(4);
    }));

  it('a pipeline file is read again for each run', () =>
    inFolder(async ({ write, load }) => {
      await write('a.yaml', 'before');
      const {
        calls: [call],
      } = await load('calls: { a: { pipeline: a.yaml } }');
      const { requests, context } = recordingContext({});
      await call!.body(context);
      await write('a.yaml', 'after');
      await call!.body(context);
      expect(requests.map(({ spec }) => (spec as { text: string }).text)).to.deep.equal(['before', 'after']);
    }));

  it('a run fails when its pipeline file cannot be read, and the message names no folder', () =>
    inFolder(async ({ write, load, path }) => {
      await write('a.yaml', '');
      const {
        calls: [call],
      } = await load('calls: { a: { pipeline: a.yaml } }');
      const { rename } = await import('node:fs/promises');
      await rename(join(path, 'a.yaml'), join(path, 'b.yaml'));
      const failure = await call!.body(recordingContext({}).context).catch((error: unknown) => error);
      expect(failure).to.include({
        name: 'WorkFailed',
        message: 'cannot read the pipeline a.yaml: the file does not exist',
      });
    }));

  it('a pipeline file is checked again when the configuration is reloaded', () =>
    inFolder(async ({ write, load, file }) => {
      await write('a.yaml', 'fine');
      const running = await load('calls: { a: { pipeline: a.yaml } }');
      const ending = new AbortController();
      try {
        const change = new Promise<ConfigChange>((resolve) =>
          watchConfig(file, resolve, { signal: ending.signal, running, planPipeline }),
        );
        await write('a.yaml', 'error');
        process.kill(process.pid, 'SIGHUP');
        const loaded = await change;
        expect(loaded.ok ? [] : loaded.diagnostics.map(({ message }) => message)).to.deep.equal(['is odd']);
      } finally {
        ending.abort();
      }
    }));
});
