// The live view of `distillery run` at a terminal: a row for each job that is drawn again as it changes, everything else above it.

import type { Item } from '../../../protocol/client.ts';
import { describeItem } from '../call/status.ts';
import { printable } from '../call/words.ts';
import type { View } from '../call/view.ts';
import type { Painter } from '../paint.ts';
import { jobRows, summaryRow } from './rows.ts';
import { Story, type JobSoFar } from './story.ts';
import { concludePipeline } from './views.ts';

/** What is needed of the terminal. Columns and rows are 0 where it does not know them. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

/** Changes are gathered for so long, and durations move on so often. */
const drawMs = 80;
const tickMs = 500;

/** Of a terminal that does not know. */
const usualSize = { columns: 80, rows: 24 };

/** Jobs whose last lines are shown at the end. */
const failuresShown = 3;

/** Told by the rows. */
const onBoard = new Set(['pipeline-planned', 'job-queued', 'job-started', 'job-step', 'job-retrying', 'job-skipped', 'job-ended']);

export class Board implements View {
  readonly #screen: Screen;
  readonly #paint: Painter;
  readonly #story = new Story();
  readonly #tick: NodeJS.Timeout;
  #soon: NodeJS.Timeout | undefined;
  /** Rows that stand on the screen now. */
  #standing = 0;
  #progress: string | undefined;
  #over = false;
  readonly #redraw = (): void => this.#draw();

  constructor(screen: Screen, paint: Painter) {
    this.#screen = screen;
    this.#paint = paint;
    this.#tick = setInterval(this.#redraw, tickMs);
    screen.on('resize', this.#redraw);
  }

  output(item: Item): undefined {
    this.#story.take(item);
    this.#drawSoon();
  }

  status(item: Item): string | undefined {
    return 'event' in item && onBoard.has(item.event.type) ? undefined : describeItem(item);
  }

  say(line: string): void {
    this.#screen.write(`${this.#erasing()}${line}\n`);
    this.#draw();
  }

  /** Stands below the rows until it is told otherwise. */
  progress(text: string | undefined): void {
    this.#progress = text;
    this.#drawSoon();
  }

  /** The rows as they are at the end stay, all of them. Safe twice. */
  end(): void {
    if (this.#over) return;
    this.#screen.write(this.#erasing());
    this.#over = true;
    clearInterval(this.#tick);
    clearTimeout(this.#soon);
    this.#screen.off('resize', this.#redraw);
    const rows = jobRows(this.#story.jobs, { ...this.#wish(), rows: Infinity });
    if (rows.length > 0) this.#screen.write(`${rows.join('\n')}\n`);
  }

  readonly conclude: View['conclude'] = (result, paint) => {
    const failed = this.#story.jobs.filter(({ state, allowed }) => state === 'failed' && !allowed);
    const more = failed.length - failuresShown;
    return [
      ...failed.slice(0, failuresShown).flatMap((job) => lastLines(job, paint)),
      ...(more > 0 ? [`${more} more failed; "distillery logs" has their lines`] : []),
      ...concludePipeline(result, paint),
    ];
  };

  #drawSoon(): void {
    this.#soon ??= setTimeout(this.#redraw, drawMs);
  }

  #draw(): void {
    clearTimeout(this.#soon);
    this.#soon = undefined;
    if (this.#over) return;
    const { jobs } = this.#story;
    const wish = this.#wish();
    const below = [...(jobs.length === 0 ? [] : [this.#paint('dim', summaryRow(jobs, wish.cols))]), ...(this.#progress === undefined ? [] : [this.#progress])];
    const rows = [...jobRows(jobs, { ...wish, rows: Math.max(2, wish.rows - below.length) }), ...below];
    // In one piece, or it would flicker. Without wrapping, a row is a row however wide its characters turn out to be.
    this.#screen.write(`${this.#erasing()}${rows.length === 0 ? '' : `\u001b[?7l${rows.join('\n')}\n\u001b[?7h`}`);
    this.#standing = rows.length;
  }

  /** What takes the rows away that stand there now. */
  #erasing(): string {
    const up = Math.min(this.#standing, this.#rows - 1);
    this.#standing = 0;
    return up === 0 ? '' : `\r\u001b[${up}A\u001b[J`;
  }

  #wish() {
    // The cursor stands below the last row.
    return { now: Date.now(), cols: this.#screen.columns || usualSize.columns, rows: this.#rows - 1, paint: this.#paint };
  }

  get #rows(): number {
    return this.#screen.rows || usualSize.rows;
  }
}

function lastLines({ id, tail }: JobSoFar, paint: Painter): readonly string[] {
  if (tail.length === 0) return [];
  return [paint('bold', `last lines of ${printable(id)}:`), ...tail.map((line) => `  ${printable(line)}`)];
}
