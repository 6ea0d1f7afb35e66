// How `distillery run` shows a pipeline where there is no live view: lines with the name of their job, or everything as JSON.

import type { CallResult } from '../../../protocol/client.ts';
import { describeItem, describeResult } from '../call/status.ts';
import { fact, printable } from '../call/words.ts';
import type { View } from '../call/view.ts';
import { Story } from './story.ts';

/** `[build] line`, with the time where the pipeline wants it. `clock` gives now, in milliseconds. */
export function prefixedView(clock: () => number = Date.now): View {
  const story = new Story(clock);
  return {
    output(item) {
      story.take(item);
      if (!('line' in item)) return undefined;
      const { speaks, logsWithTime } = story;
      return `${speaks === undefined ? '' : `[${printable(speaks)}] `}${logsWithTime ? `${localTime(new Date(clock()))} ` : ''}${item.line}\n`;
    },
    status: describeItem,
    conclude: concludePipeline,
  };
}

/** One JSON value a line: what the run said, lines with their job and stream, and last the result. */
export function jsonView(): View {
  const story = new Story();
  return {
    output(item) {
      story.take(item);
      if (!('line' in item)) return `${JSON.stringify(item)}\n`;
      const { speaks, stream } = story;
      return `${JSON.stringify({ line: item.line, stream, ...(speaks !== undefined && { job: speaks }) })}\n`;
    },
    status: () => undefined,
    last: (result) => `${JSON.stringify({ result })}\n`,
    conclude: () => [],
  };
}

/** Outcome and receipt, and between them what the jobs handed on; how each job ended was told. */
export const concludePipeline: View['conclude'] = (result, paint) => {
  const { value, ...rest } = result;
  const [outcome = '', ...receipt] = describeResult(rest, paint);
  return [outcome, ...describeOutputs(value), ...receipt];
};

function describeOutputs(value: CallResult['value']): readonly string[] {
  const { outputs } = (value ?? {}) as { outputs?: unknown };
  if (typeof outputs !== 'object' || outputs === null) return [];
  return Object.entries(outputs).map(([name, held]) => printable(`${name}=${fact(held)}`));
}

/** `2026/11/21 23:26:13`, by the clock on this wall. */
function localTime(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  return `${time.getFullYear()}/${two(time.getMonth() + 1)}/${two(time.getDate())} ${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}
