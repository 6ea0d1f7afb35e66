// Shows the unfinished line of a program at a terminal, such as a question or a progress bar.

import type { Item } from '../../../protocol/client/client.ts';
import type { RunEvent } from '../../../protocol/messages.ts';
import { visibleText } from '../../../protocol/visible-text.ts';
import { describeItem } from './status.ts';
import { plainView, type View } from './view.ts';

/** The terminals of a command. `status` may be another terminal, or no terminal at all. */
export interface Screens {
  readonly output: { write(text: string): unknown };
  readonly status: { write(text: string): unknown };
  /** True if status lines appear between the lines of the output. */
  readonly shared: boolean;
}

const eraseRow = '\r\u001b[K';

/** Prints lines like `plainView`, and the beginning of an unfinished line as soon as the gateway reports it. */
export function createPartialLineView({ output, status, shared }: Screens): View {
  /** The text of the unfinished line that is on the screen, and where the line comes from. */
  let shown = '';
  let shownSource = '';
  let source = sourceKey({});
  const erase = (): string => (shown === '' ? '' : eraseRow);
  const showPartial = (event: RunEvent): string => {
    const text = String(event['text'] ?? '');
    const from = sourceKey(event);
    const continues = from === shownSource && shown !== '' && text.startsWith(shown);
    const printed = continues ? text.slice(shown.length) : erase() + text;
    shown = text;
    shownSource = from;
    return printed;
  };
  const endLine = (line: string): string => {
    // Print a line of another source above the unfinished line.
    if (shown !== '' && source !== shownSource) return `${eraseRow}${line}\n${shown}`;
    const rest = shown === '' ? line : textAfter(line, shown);
    shown = '';
    return `${rest}\n`;
  };
  return {
    ...plainView,
    output(item) {
      if ('line' in item) return endLine(item.line);
      if ('gap' in item) source = sourceKey({});
      if (!('event' in item)) return plainView.output(item);
      if (item.event.type === 'stream') source = sourceKey(item.event);
      return item.event.type === 'partial' ? showPartial(item.event) : undefined;
    },
    // Print no status for this event: the unfinished line on the screen already shows that the run waits for input.
    status: (item) => (shown !== '' && isAwaitingInput(item) ? undefined : describeItem(item)),
    printStatus(line) {
      if (shared && shown !== '') output.write(eraseRow);
      status.write(`${line}\n`);
      if (shared) output.write(shown);
    },
    end() {
      if (shown !== '') output.write('\n');
      shown = '';
    },
  };
}

/** Returns what is to be printed after `shown`, so that the screen shows the line. */
function textAfter(line: string, shown: string): string {
  if (line.startsWith(shown)) return line.slice(shown.length);
  const visible = visibleText(line);
  return visible.startsWith(shown) ? visible.slice(shown.length) : eraseRow + line;
}

function isAwaitingInput(item: Item): boolean {
  return 'event' in item && item.event.type === 'awaiting-input';
}

function sourceKey(event: Readonly<Record<string, unknown>>): string {
  return JSON.stringify([event['stream'] ?? 'stdout', event['job']]);
}
