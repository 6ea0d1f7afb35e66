// A pipeline as `distillery run` shows it: lines with their job, JSON, and the live view.

import { expect } from 'chai';
import type { Item } from '../../../protocol/client.ts';
import { describeItem } from '../../../server/cli/call/status.ts';
import type { View } from '../../../server/cli/call/view.ts';
import { painter } from '../../../server/cli/paint.ts';
import { Board, type Screen } from '../../../server/cli/pipeline/board.ts';
import { jobRows, summaryRow } from '../../../server/cli/pipeline/rows.ts';
import { Story } from '../../../server/cli/pipeline/story.ts';
import { jsonView, prefixedView } from '../../../server/cli/pipeline/views.ts';
import { ended, event, line, planned, speaks } from './told.ts';

const plain = painter(false);

function outputOf(view: View, items: readonly Item[]): readonly string[] {
  return items.map((item) => view.output(item)).filter((text) => text !== undefined);
}

describe('lines of a pipeline', () => {
  it('carry the name of their job', () => {
    const items = [planned({ a: [], b: [] }), line('of the run'), speaks('a'), line('one'), line('two'), speaks('b', 'stderr'), line('three'), speaks(), line('four')];
    expect(outputOf(prefixedView(), items)).to.deep.equal(['of the run\n', '[a] one\n', '[a] two\n', '[b] three\n', 'four\n']);
  });

  it('carry the time where the file wants it', () => {
    const clock = () => new Date(2026, 10, 21, 3, 4, 5).getTime();
    expect(outputOf(prefixedView(clock), [planned({ a: [] }, true), speaks('a'), line('x')])).to.deep.equal(['[a] 2026/11/21 03:04:05 x\n']);
  });

  it('are JSON with job and stream, beside all else that is told, and the result last', () => {
    const view = jsonView();
    const told = outputOf(view, [speaks('a', 'stderr'), line('x'), { connection: 'resumed' }]).map((text) => JSON.parse(text) as object);
    expect(told[0]).to.have.property('event').that.includes({ type: 'stream', job: 'a' });
    expect(told.slice(1)).to.deep.equal([{ line: 'x', stream: 'stderr', job: 'a' }, { connection: 'resumed' }]);
    expect(JSON.parse(view.last!({ success: true, status: 'succeeded' })!)).to.deep.equal({ result: { success: true, status: 'succeeded' } });
    expect(view.status(planned({ a: [] }))).to.equal(undefined);
  });

  it('end with what the jobs handed on, and not with all that is known of each', () => {
    const value = { jobs: [{ id: 'a' }], outputs: { VERSION: '1.2' } };
    expect(prefixedView().conclude({ success: true, status: 'succeeded', value, cleanup: { clean: true, released: [], left: [] } }, plain))
      .to.deep.equal(['succeeded', 'VERSION=1.2', 'clean: nothing was left to end']);
  });
});

describe('events of a pipeline in words', () => {
  for (const [item, words] of [
    [planned({ a: [], b: [] }), '2 jobs: a, b'],
    [planned(Object.fromEntries(Array.from({ length: 12 }, (_, at) => [`j${at}`, []]))), '12 jobs: j0, j1, j2, j3, j4, j5, j6, j7, j8, j9 and 2 more'],
    [event('pipeline-warning', { message: 'unknown key', line: 3, column: 5 }), 'warning: line 3, column 5: unknown key'],
    [event('pipeline-warning', { message: 'passed over' }), 'warning: passed over'],
    [event('job-queued', { job: 'a' }), undefined],
    [event('job-started', { job: 'a', attempt: 1, attempts: 3 }), '[a] started'],
    [event('job-started', { job: 'a', attempt: 2, attempts: 3 }), '[a] started again (attempt 2 of 3)'],
    [event('job-step', { job: 'a', step: 'image-pulling', image: 'x' }), '[a] pulling x'],
    [event('job-step', { job: 'a', step: 'files-copied', files: 1, bytes: 2_048 }), '[a] copied 1 file (2.0 KiB)'],
    [event('job-step', { job: 'a', step: 'artifacts-kept', files: 3, bytes: 12 }), '[a] kept 3 artifacts (12 bytes)'],
    [event('job-step', { job: 'a', step: 'service-healthy', service: 'db', image: 'x' }), '[a] the service db is ready'],
    [event('job-step', { job: 'a', step: 'command-started', command: 'make \u001b[2J' }), '[a] $ make \u{fffd}[2J'],
    [event('job-step', { job: 'a', step: 'container-creating' }), undefined],
    [event('job-retrying', { job: 'a', attempt: 1, attempts: 3, delayMs: 1_000, message: 'no' }), '[a] failed (attempt 1 of 3), trying again in 1.0 s: no'],
    [event('job-skipped', { job: 'a', reason: 'condition', condition: '$X' }), '[a] skipped: its condition is false: $X'],
    [event('job-skipped', { job: 'a', reason: 'upstream_failed', failed: 'b' }), '[a] skipped: b failed'],
    [event('job-skipped', { job: 'a', reason: 'nothing_failed' }), '[a] skipped: nothing failed'],
    [event('job-skipped', { job: 'a', reason: 'cancelled' }), '[a] skipped: cancelled'],
    [ended('a'), '[a] succeeded in 1.5 s'],
    [ended('a', { status: 'failed', message: 'command execution failed (exit code 2)', attempts: 3 }), '[a] failed after 3 attempts in 1.5 s: command execution failed (exit code 2)'],
    [ended('a', { status: 'failed', message: 'no', allowed: true }), '[a] failed in 1.5 s: no (which it may)'],
    [ended('a', { status: 'cancelled' }), '[a] cancelled in 1.5 s'],
  ] as const) {
    it(`say ${JSON.stringify(words ?? null)}`, () => expect(describeItem(item)).to.equal(words));
  }
});

describe('rows of the live view', () => {
  const now = 100_000;
  const wish = { now, cols: 80, rows: 10, paint: plain };

  function told(...items: readonly Item[]): Story {
    const story = new Story(() => now - 2_000);
    for (const item of items) story.take(item);
    return story;
  }

  it('say of each job how it is, how long it took, and what it does or printed last', () => {
    const { jobs } = told(
      planned({ fetch: [], build: ['fetch'], test: [], docs: [], lint: [], ship: ['build', 'test'] }),
      event('job-started', { job: 'fetch', attempt: 1, attempts: 1 }), speaks('fetch'), line('got it'), ended('fetch', { durationMs: 65_000 }),
      event('job-started', { job: 'build', attempt: 1, attempts: 1 }), event('job-step', { job: 'build', step: 'image-pulling', image: 'gcc' }),
      event('job-started', { job: 'test', attempt: 1, attempts: 2 }), ended('test', { status: 'failed', message: 'exit code 1', durationMs: 300 }),
      event('job-skipped', { job: 'docs', reason: 'condition' }), event('job-queued', { job: 'lint' }),
    );
    expect(jobRows(jobs, wish)).to.deep.equal([
      'fetch  succeeded   1m05s  got it',
      'build  running      2.0s  pulling gcc',
      'test   failed       0.3s  exit code 1',
      'docs   skipped            its condition is false',
      'lint   queued',
      'ship   waiting            after build, test',
    ]);
    expect(summaryRow(jobs, 100)).to.equal('3 of 6 jobs over: 1 failed, 1 running, 1 queued, 1 succeeded, 1 skipped, 1 waiting');
  });

  it('are never wider than the screen, and have nothing in them that a terminal obeys', () => {
    const { jobs } = told(planned({ a: [] }), event('job-started', { job: 'a', attempt: 1, attempts: 1 }), speaks('a'), line(`\u001b[2J${'x'.repeat(500)}`));
    const [row = ''] = jobRows(jobs, { ...wish, cols: 40 });
    expect(row).to.have.length(40);
    expect(row).to.match(/^a  running +2\.0s  \u{fffd}\[2Jx+…$/u);
  });

  it('are cut where they are about all jobs, too', () => {
    const { jobs } = told(planned({ a: [], b: [], c: [], d: [] }), ended('a'), event('job-started', { job: 'b', attempt: 1, attempts: 1 }), event('job-queued', { job: 'c' }));
    expect(summaryRow(jobs, 30)).to.equal('1 of 4 jobs over: 1 running, …');
    expect(jobRows(jobs, { ...wish, cols: 22, rows: 2 }).at(-1)).to.equal('… and 1 queued, 1 suc…');
  });

  it('are those of most interest where there is no room for all', () => {
    const ids = Array.from({ length: 30 }, (_, at) => `j${at}`);
    const { jobs } = told(planned(Object.fromEntries(ids.map((id) => [id, []]))), ...ids.slice(0, 10).map((id) => ended(id)),
      event('job-started', { job: 'j20', attempt: 1, attempts: 1 }), ended('j25', { status: 'failed' }));
    const rows = jobRows(jobs, { ...wish, rows: 4 });
    expect(rows.map((row) => row.split(/ +/).slice(0, 2).join(' '))).to.deep.equal(['j0 succeeded', 'j20 running', 'j25 failed', '… and']);
    expect(rows.at(-1)).to.equal('… and 9 succeeded, 18 waiting');
  });
});

/** Keeps what would stand on a screen: lines, and the ones that were drawn over are gone. */
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

  on(_event: 'resize', listener: () => void): void { this.#listeners.add(listener); }
  off(_event: 'resize', listener: () => void): void { this.#listeners.delete(listener); }
  resize(columns: number): void {
    this.columns = columns;
    for (const tell of this.#listeners) tell();
  }

  get listeners(): number { return this.#listeners.size; }
}

describe('the live view', () => {
  it('draws rows anew in their place, with what is said above them', () => {
    const screen = new FakeScreen();
    const board = new Board(screen, plain);
    try {
      board.output(planned({ a: [], b: ['a'] }));
      board.say('hello');
      expect(screen.lines).to.deep.equal(['hello', 'a  waiting', 'b  waiting            after a', '0 of 2 jobs over: 2 waiting', '']);
      board.output(ended('a'));
      board.progress('sending files: 3');
      board.say('world');
      expect(screen.lines).to.deep.equal([
        'hello', 'world', 'a  succeeded    1.5s', 'b  waiting            after a', '1 of 2 jobs over: 1 succeeded, 1 waiting', 'sending files: 3', '']);
      board.progress(undefined);
      screen.resize(10);
      expect(screen.lines.slice(2, -1).every((row) => row.length <= 42), screen.lines.join('\n')).to.equal(true);
    } finally {
      board.end();
    }
  });

  it('takes a terminal that does not know its size for one of 80 columns and 24 rows', () => {
    const screen = new FakeScreen();
    screen.columns = 0;
    screen.rows = 0;
    const board = new Board(screen, plain);
    try {
      board.output(planned({ a: [], b: ['a'] }));
      board.say('hello');
      board.say('world');
      expect(screen.lines).to.deep.equal(['hello', 'world', 'a  waiting', 'b  waiting            after a', '0 of 2 jobs over: 2 waiting', '']);
    } finally {
      board.end();
    }
  });

  it('leaves all rows behind, and the last lines of jobs that failed, and no listener', () => {
    const screen = new FakeScreen();
    screen.rows = 4;
    const board = new Board(screen, plain);
    const ids = ['a', 'b', 'c', 'd', 'e', 'f'];
    board.output(planned(Object.fromEntries(ids.map((id) => [id, []]))));
    board.output(speaks('c'));
    for (let at = 1; at <= 30; at += 1) board.output(line(`line ${at}`));
    board.output(ended('c', { status: 'failed', message: 'no' }));
    board.output(ended('d', { status: 'failed', message: 'no', allowed: true }));
    board.say('now');
    board.end();
    board.end();
    expect(screen.lines.map((row) => row[0] ?? '').join('')).to.equal('nabcdef');
    expect(screen.listeners).to.equal(0);
    const said = board.conclude({ success: false, status: 'failed', message: 'job "c" failed: no' }, plain);
    expect(said).to.deep.equal(['last lines of c:', ...Array.from({ length: 20 }, (_, at) => `  line ${at + 11}`), 'failed, job "c" failed: no']);
    board.say('below');
    expect(screen.lines.at(-2)).to.equal('below');
  });

  it('has words only for what no row tells', () => {
    const board = new Board(new FakeScreen(), plain);
    board.end();
    expect(board.status(ended('a'))).to.equal(undefined);
    expect(board.status(event('pipeline-warning', { message: 'odd' }))).to.equal('warning: odd');
    expect(board.status({ connection: 'lost', inMs: 5, attempt: 1 })).to.match(/connection lost/);
  });
});
