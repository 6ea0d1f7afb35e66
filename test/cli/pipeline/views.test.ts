// Tests the views of `distillery run`: lines with their job, JSON, and the live view.

import { expect } from 'chai';
import type { Item } from '../../../protocol/client/client.ts';
import { describeItem } from '../../../server/cli/call/status.ts';
import type { View } from '../../../server/cli/call/view.ts';
import { painter } from '../../../server/cli/colors.ts';
import { JobTracker } from '../../../server/cli/pipeline/job-tracker.ts';
import { LiveView, type Screen } from '../../../server/cli/pipeline/live-view.ts';
import { jobRows, summaryRow } from '../../../server/cli/pipeline/live-view-rows.ts';
import { createJsonView, createPrefixedView } from '../../../server/cli/pipeline/views.ts';
import { eventItem, jobEndedItem, lineItem, planItem, streamItem } from '../../helpers/cli/pipeline-items.ts';

const plain = painter(false);

function collectOutput(view: View, items: readonly Item[]): readonly string[] {
  return items.map((item) => view.output(item)).filter((text) => text !== undefined);
}

describe('lines of a pipeline', () => {
  it('lines carry the name of their job', () => {
    const items = [
      planItem({ a: [], b: [] }),
      lineItem('of the run'),
      streamItem('a'),
      lineItem('one'),
      lineItem('two'),
      streamItem('b', 'stderr'),
      lineItem('three'),
      streamItem(),
      lineItem('four'),
    ];
    expect(collectOutput(createPrefixedView(), items)).to.deep.equal([
      'of the run\n',
      '[a] one\n',
      '[a] two\n',
      '[b] three\n',
      'four\n',
    ]);
  });

  it('lines carry the time if the pipeline asks for it', () => {
    const clock = () => new Date(2026, 10, 21, 3, 4, 5).getTime();
    expect(
      collectOutput(createPrefixedView(clock), [planItem({ a: [] }, true), streamItem('a'), lineItem('x')]),
    ).to.deep.equal(['[a] 2026/11/21 03:04:05 x\n']);
  });

  it('the JSON view prints lines with job and stream, all other items, and the result at the end', () => {
    const view = createJsonView();
    const records = collectOutput(view, [streamItem('a', 'stderr'), lineItem('x'), { connection: 'resumed' }]).map(
      (text) => JSON.parse(text) as object,
    );
    expect(records[0]).to.have.property('event').that.includes({ type: 'stream', job: 'a' });
    expect(records.slice(1)).to.deep.equal([{ line: 'x', stream: 'stderr', job: 'a' }, { connection: 'resumed' }]);
    expect(JSON.parse(view.footer!({ success: true, status: 'succeeded' })!)).to.deep.equal({
      result: { success: true, status: 'succeeded' },
    });
    expect(view.status(planItem({ a: [] }))).to.equal(undefined);
  });

  it('the summary has the outputs of the jobs, but not their records', () => {
    const value = { jobs: [{ id: 'a' }], outputs: { VERSION: '1.2' } };
    expect(
      createPrefixedView().summary(
        { success: true, status: 'succeeded', value, cleanup: { clean: true, released: [], left: [] } },
        plain,
      ),
    ).to.deep.equal(['succeeded', 'VERSION=1.2', 'clean: nothing to release']);
  });
});

describe('descriptions of pipeline events', () => {
  for (const [item, text] of [
    [planItem({ a: [], b: [] }), '2 jobs: a, b'],
    [
      planItem(Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`j${at}`, []]))),
      '12 jobs: j0, j1, j2, j3, j4, j5, j6, j7, j8, j9 and 2 more',
    ],
    [
      eventItem('pipeline-warning', { message: 'unknown key', line: 3, column: 5 }),
      'warning: line 3, column 5: unknown key',
    ],
    [eventItem('pipeline-warning', { message: 'passed over' }), 'warning: passed over'],
    [eventItem('job-queued', { job: 'a' }), undefined],
    [eventItem('job-started', { job: 'a', attempt: 1, attempts: 3 }), '[a] started'],
    [eventItem('job-started', { job: 'a', attempt: 2, attempts: 3 }), '[a] restarted (attempt 2 of 3)'],
    [eventItem('job-step', { job: 'a', step: 'image-pulling', image: 'x' }), '[a] pulling x'],
    [eventItem('job-step', { job: 'a', step: 'files-copied', files: 1, bytes: 2_048 }), '[a] copied 1 file (2.0 KiB)'],
    [
      eventItem('job-step', { job: 'a', step: 'artifacts-kept', files: 3, bytes: 12 }),
      '[a] stored 3 artifacts (12 bytes)',
    ],
    [
      eventItem('job-step', { job: 'a', step: 'service-healthy', service: 'db', image: 'x' }),
      '[a] the service db is ready',
    ],
    [eventItem('job-step', { job: 'a', step: 'command-started', command: 'make \u001b[2J' }), '[a] $ make \u{fffd}[2J'],
    [eventItem('job-step', { job: 'a', step: 'container-creating' }), undefined],
    [
      eventItem('job-retrying', { job: 'a', attempt: 1, attempts: 3, delayMs: 1_000, message: 'no' }),
      '[a] failed (attempt 1 of 3), retrying in 1.0 s: no',
    ],
    [
      eventItem('job-skipped', { job: 'a', reason: 'condition', condition: '$X' }),
      '[a] skipped: its condition is false: $X',
    ],
    [eventItem('job-skipped', { job: 'a', reason: 'upstream_failed', failed: 'b' }), '[a] skipped: b failed'],
    [eventItem('job-skipped', { job: 'a', reason: 'nothing_failed' }), '[a] skipped: nothing failed'],
    [eventItem('job-skipped', { job: 'a', reason: 'cancelled' }), '[a] skipped: cancelled'],
    [jobEndedItem('a'), '[a] succeeded in 1.5 s'],
    [
      jobEndedItem('a', { status: 'failed', message: 'command execution failed (exit code 2)', attempts: 3 }),
      '[a] failed after 3 attempts in 1.5 s: command execution failed (exit code 2)',
    ],
    [
      jobEndedItem('a', { status: 'failed', message: 'no', allowed: true }),
      '[a] failed in 1.5 s: no (failure allowed)',
    ],
    [jobEndedItem('a', { status: 'cancelled' }), '[a] cancelled in 1.5 s'],
  ] as const) {
    it(`an event is described as ${JSON.stringify(text ?? null)}`, () => expect(describeItem(item)).to.equal(text));
  }
});

describe('rows of the live view', () => {
  const now = 100_000;
  const rowOptions = { now, cols: 80, rows: 10, paint: plain };

  function track(...items: readonly Item[]): JobTracker {
    const tracker = new JobTracker(() => now - 2_000);
    for (const item of items) tracker.onItem(item);
    return tracker;
  }

  it('T3: a row shows the unfinished line of a job, or else its last line, as a terminal would', () => {
    const { jobs } = track(
      planItem({ get: [], ask: [] }),
      eventItem('job-started', { job: 'get', attempt: 1, attempts: 1 }),
      streamItem('get'),
      lineItem('10 %\r50 %\r100 %'),
      eventItem('job-started', { job: 'ask', attempt: 1, attempts: 1 }),
      streamItem('ask'),
      lineItem('one'),
      eventItem('partial', { job: 'ask', stream: 'stdout', text: 'Name? ' }),
    );
    expect(jobRows(jobs, rowOptions).map((row) => row.trimEnd())).to.deep.equal([
      'get  running      2.0s  100 %',
      'ask  running      2.0s  Name?',
    ]);
  });

  it('a row shows the state of a job, its duration, and its current step or last line', () => {
    const { jobs } = track(
      planItem({ fetch: [], build: ['fetch'], test: [], docs: [], lint: [], ship: ['build', 'test'] }),
      eventItem('job-started', { job: 'fetch', attempt: 1, attempts: 1 }),
      streamItem('fetch'),
      lineItem('got it'),
      jobEndedItem('fetch', { durationMs: 65_000 }),
      eventItem('job-started', { job: 'build', attempt: 1, attempts: 1 }),
      eventItem('job-step', { job: 'build', step: 'image-pulling', image: 'gcc' }),
      eventItem('job-started', { job: 'test', attempt: 1, attempts: 2 }),
      jobEndedItem('test', { status: 'failed', message: 'exit code 1', durationMs: 300 }),
      eventItem('job-skipped', { job: 'docs', reason: 'condition' }),
      eventItem('job-queued', { job: 'lint' }),
    );
    expect(jobRows(jobs, rowOptions)).to.deep.equal([
      'fetch  succeeded   1m05s  got it',
      'build  running      2.0s  pulling gcc',
      'test   failed       0.3s  exit code 1',
      'docs   skipped            its condition is false',
      'lint   queued',
      'ship   waiting            after build, test',
    ]);
    expect(summaryRow(jobs, 100)).to.equal(
      '3 of 6 jobs ended: 1 failed, 1 running, 1 queued, 1 succeeded, 1 skipped, 1 waiting',
    );
  });

  it('rows are never wider than the screen and contain no control characters', () => {
    const { jobs } = track(
      planItem({ a: [] }),
      eventItem('job-started', { job: 'a', attempt: 1, attempts: 1 }),
      streamItem('a'),
      lineItem(`\u001b[2J${'x'.repeat(500)}`),
    );
    const [row = ''] = jobRows(jobs, { ...rowOptions, cols: 40 });
    expect(row).to.have.length(40);
    expect(row).to.match(/^a {2}running +2\.0s {2}\u{fffd}\[2Jx+…$/u);
  });

  it('rows that count jobs are truncated as well', () => {
    const { jobs } = track(
      planItem({ a: [], b: [], c: [], d: [] }),
      jobEndedItem('a'),
      eventItem('job-started', { job: 'b', attempt: 1, attempts: 1 }),
      eventItem('job-queued', { job: 'c' }),
    );
    expect(summaryRow(jobs, 31)).to.equal('1 of 4 jobs ended: 1 running, …');
    expect(jobRows(jobs, { ...rowOptions, cols: 22, rows: 2 }).at(-1)).to.equal('… and 1 queued, 1 suc…');
  });

  it('rows show the jobs of highest priority if not all jobs fit', () => {
    const ids = Array.from({ length: 30 }, (_, at) => `j${at}`);
    const { jobs } = track(
      planItem(Object.fromEntries(ids.map((id) => [id, []]))),
      ...ids.slice(0, 10).map((id) => jobEndedItem(id)),
      eventItem('job-started', { job: 'j20', attempt: 1, attempts: 1 }),
      jobEndedItem('j25', { status: 'failed' }),
    );
    const rows = jobRows(jobs, { ...rowOptions, rows: 4 });
    expect(rows.map((row) => row.split(/ +/).slice(0, 2).join(' '))).to.deep.equal([
      'j0 succeeded',
      'j20 running',
      'j25 failed',
      '… and',
    ]);
    expect(rows.at(-1)).to.equal('… and 9 succeeded, 18 waiting');
  });
});

/** A screen in memory: keeps the lines that are visible, without those that were overwritten. */
class FakeScreen implements Screen {
  columns = 60;
  rows = 12;
  lines: string[] = [''];
  readonly #listeners = new Set<() => void>();

  write(text: string): void {
    for (const part of text.split(/(\u001b\[\d+A|\u001b\[J|\u001b\[\?7[lh]|\r|\n)/)) {
      const up = /^\u001b\[(\d+)A$/.exec(part);
      if (up !== null) this.lines = this.lines.slice(0, this.lines.length - Number(up[1]));
      else if (part === '\u001b[J') this.lines[this.lines.length - 1] = '';
      else if (part === '\n') this.lines.push('');
      else if (part !== '\r' && !part.startsWith('\u001b')) this.lines[this.lines.length - 1] += part;
    }
  }

  on(_event: 'resize', listener: () => void): void {
    this.#listeners.add(listener);
  }
  off(_event: 'resize', listener: () => void): void {
    this.#listeners.delete(listener);
  }
  resize(columns: number): void {
    this.columns = columns;
    for (const listener of this.#listeners) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

describe('the live view', () => {
  it('the live view redraws rows in place and prints messages above them', () => {
    const screen = new FakeScreen();
    const view = new LiveView(screen, plain);
    try {
      view.output(planItem({ a: [], b: ['a'] }));
      view.printStatus('hello');
      expect(screen.lines).to.deep.equal([
        'hello',
        'a  waiting',
        'b  waiting            after a',
        '0 of 2 jobs ended: 2 waiting',
        '',
      ]);
      view.output(jobEndedItem('a'));
      view.progress('sending files: 3');
      view.printStatus('world');
      expect(screen.lines).to.deep.equal([
        'hello',
        'world',
        'a  succeeded    1.5s',
        'b  waiting            after a',
        '1 of 2 jobs ended: 1 succeeded, 1 waiting',
        'sending files: 3',
        '',
      ]);
      view.progress(undefined);
      screen.resize(10);
      expect(
        screen.lines.slice(2, -1).every((row) => row.length <= 42),
        screen.lines.join('\n'),
      ).to.equal(true);
    } finally {
      view.end();
    }
  });

  it('the live view assumes 80 columns and 24 rows if the terminal does not know its size', () => {
    const screen = new FakeScreen();
    screen.columns = 0;
    screen.rows = 0;
    const view = new LiveView(screen, plain);
    try {
      view.output(planItem({ a: [], b: ['a'] }));
      view.printStatus('hello');
      view.printStatus('world');
      expect(screen.lines).to.deep.equal([
        'hello',
        'world',
        'a  waiting',
        'b  waiting            after a',
        '0 of 2 jobs ended: 2 waiting',
        '',
      ]);
    } finally {
      view.end();
    }
  });

  it('the live view ends with all rows and the last lines of failed jobs, and removes its listener', () => {
    const screen = new FakeScreen();
    screen.rows = 4;
    const view = new LiveView(screen, plain);
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    view.output(planItem(Object.fromEntries(ids.map((id) => [id, []]))));
    view.output(streamItem('c'));
    for (let at = 1; at <= 30; at += 1) view.output(lineItem(`line ${at}`));
    view.output(jobEndedItem('c', { status: 'failed', message: 'no' }));
    view.output(jobEndedItem('d', { status: 'failed', message: 'no', allowed: true }));
    view.printStatus('now');
    view.end();
    view.end();
    expect(screen.lines.map((row) => row[0] ?? '').join('')).to.equal('nabcdef');
    expect(screen.listeners).to.equal(0);
    const summary = view.summary({ success: false, status: 'failed', message: 'job "c" failed: no' }, plain);
    expect(summary).to.deep.equal([
      'last lines of c:',
      ...Array.from({ length: 20 }, (_, at) => `  line ${at + 11}`),
      'failed, job "c" failed: no',
    ]);
    view.printStatus('below');
    expect(screen.lines.at(-2)).to.equal('below');
  });

  it('the live view describes only events that no row shows', () => {
    const view = new LiveView(new FakeScreen(), plain);
    view.end();
    expect(view.status(jobEndedItem('a'))).to.equal(undefined);
    expect(view.status(eventItem('pipeline-warning', { message: 'odd' }))).to.equal('warning: odd');
    expect(view.status({ connection: 'lost', inMs: 5, attempt: 1 })).to.match(/connection lost/);
  });
});
