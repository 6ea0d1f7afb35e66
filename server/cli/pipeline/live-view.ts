// Live view of `distillery run` at a terminal: redraws one row per job and prints everything else above the rows.

import type { Item } from '../../../protocol/client/client.ts';
import { printable } from '../call/format.ts';
import { describeItem } from '../call/status.ts';
import type { View } from '../call/view.ts';
import type { Painter } from '../colors.ts';
import { type JobProgress, JobTracker } from './job-tracker.ts';
import { jobRows, summaryRow } from './live-view-rows.ts';
import { summarizePipeline } from './views.ts';

/** The parts of a terminal that the view uses. Columns and rows are 0 if the size is unknown. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** `drawMs` is the delay that combines changes into one redraw, `tickMs` the interval that updates durations. */
const drawMs = 80;
const tickMs = 500;

/** For a terminal that does not report its size. */
const defaultSize = { columns: 80, rows: 24 };

/** Maximum number of failed jobs whose last lines are shown at the end. */
const failuresShown = 3;

/** Events that the rows already show. */
const eventsShownInRows = new Set([
  'pipeline-planned',
  'job-queued',
  'job-started',
  'job-step',
  'job-retrying',
  'job-skipped',
  'job-ended',
]);

export class LiveView implements View {
  readonly #screen: Screen;
  readonly #paint: Painter;
  readonly #tracker = new JobTracker();
  readonly #tickTimer: NodeJS.Timeout;
  #drawTimer: NodeJS.Timeout | undefined;
  /** Number of rows that are now on the screen. */
  #rowsOnScreen = 0;
  #progress: string | undefined;
  #ended = false;
  readonly #redraw = (): void => this.#draw();

  constructor(screen: Screen, paint: Painter) {
    this.#screen = screen;
    this.#paint = paint;
    this.#tickTimer = setInterval(this.#redraw, tickMs);
    screen.on('resize', this.#redraw);
  }

  output(item: Item): undefined {
    this.#tracker.onItem(item);
    this.#scheduleDraw();
  }

  status(item: Item): string | undefined {
    return 'event' in item && eventsShownInRows.has(item.event.type) ? undefined : describeItem(item);
  }

  printStatus(line: string): void {
    this.#screen.write(`${this.#eraseSequence()}${line}\n`);
    this.#draw();
  }

  /** Shows a text below the rows until `progress` is called again. */
  progress(text: string | undefined): void {
    this.#progress = text;
    this.#scheduleDraw();
  }

  /** Leaves all rows on the screen in their final state. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#screen.write(this.#eraseSequence());
    this.#ended = true;
    clearInterval(this.#tickTimer);
    clearTimeout(this.#drawTimer);
    this.#screen.off('resize', this.#redraw);
    const rows = jobRows(this.#tracker.jobs, { ...this.#rowOptions(), rows: Infinity });
    if (rows.length > 0) this.#screen.write(`${rows.join('\n')}\n`);
  }

  readonly summary: View['summary'] = (result, paint) => {
    const failed = this.#tracker.jobs.filter(({ state, allowed }) => state === 'failed' && !allowed);
    const more = failed.length - failuresShown;
    return [
      ...failed.slice(0, failuresShown).flatMap((job) => lastLines(job, paint)),
      ...(more > 0 ? [`${more} more failed; use "distillery logs" to read their lines`] : []),
      ...summarizePipeline(result, paint),
    ];
  };

  #scheduleDraw(): void {
    this.#drawTimer ??= setTimeout(this.#redraw, drawMs);
  }

  #draw(): void {
    clearTimeout(this.#drawTimer);
    this.#drawTimer = undefined;
    if (this.#ended) return;
    const { jobs } = this.#tracker;
    const rowOptions = this.#rowOptions();
    const below = [
      ...(jobs.length === 0 ? [] : [this.#paint('dim', summaryRow(jobs, rowOptions.cols))]),
      ...(this.#progress === undefined ? [] : [this.#progress]),
    ];
    const rows = [...jobRows(jobs, { ...rowOptions, rows: Math.max(2, rowOptions.rows - below.length) }), ...below];
    // One write avoids flicker. Without wrapping, a row stays one row even if its characters are wider than expected.
    this.#screen.write(
      `${this.#eraseSequence()}${rows.length === 0 ? '' : `\u001b[?7l${rows.join('\n')}\n\u001b[?7h`}`,
    );
    this.#rowsOnScreen = rows.length;
  }

  /** Returns the sequence that erases the rows on the screen. */
  #eraseSequence(): string {
    const up = Math.min(this.#rowsOnScreen, this.#rows - 1);
    this.#rowsOnScreen = 0;
    return up === 0 ? '' : `\r\u001b[${up}A\u001b[J`;
  }

  #rowOptions() {
    // Use one row less than the terminal has, because the cursor is below the last row.
    return {
      now: performance.now(),
      cols: this.#screen.columns || defaultSize.columns,
      rows: this.#rows - 1,
      paint: this.#paint,
    };
  }

  get #rows(): number {
    return this.#screen.rows || defaultSize.rows;
  }
}

function lastLines({ id, tail }: JobProgress, paint: Painter): readonly string[] {
  if (tail.length === 0) return [];
  return [paint('bold', `last lines of ${printable(id)}:`), ...tail.map((line) => `  ${printable(line)}`)];
}
