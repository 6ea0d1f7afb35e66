// Views of `distillery run` without a live view: lines with the name of their job, or everything as JSON.

import type { ClientResult } from '../../../protocol/client/client.ts';
import { wallClockMs } from '../../support/wall-clock.ts';
import { printable, printableValue } from '../call/format.ts';
import { describeItem, describeResult } from '../call/status.ts';
import type { View } from '../call/view.ts';
import { JobTracker } from './job-tracker.ts';

/** Prints `[build] line`, with a timestamp if the pipeline asks for it. `clock` returns milliseconds since 1970. */
export function createPrefixedView(clock: () => number = wallClockMs): View {
  const tracker = new JobTracker();
  return {
    output(item) {
      tracker.onItem(item);
      if (!('line' in item)) return undefined;
      const { currentJob, logsWithTime } = tracker;
      const job = currentJob === undefined ? '' : `[${printable(currentJob)}] `;
      const time = logsWithTime ? `${localTime(new Date(clock()))} ` : '';
      return `${job}${time}${item.line}\n`;
    },
    status: describeItem,
    summary: summarizePipeline,
  };
}

/** Prints one JSON value per line: items of the run, lines with job and stream, and last the result. */
export function createJsonView(): View {
  const tracker = new JobTracker();
  return {
    output(item) {
      tracker.onItem(item);
      if (!('line' in item)) return `${JSON.stringify(item)}\n`;
      const { currentJob, stream } = tracker;
      return `${JSON.stringify({ line: item.line, stream, ...(currentJob !== undefined && { job: currentJob }) })}\n`;
    },
    status: () => undefined,
    footer: (result) => `${JSON.stringify({ result })}\n`,
    summary: () => [],
  };
}

/** Returns outcome, outputs of the jobs, and receipt. The end of each job was printed before. */
export const summarizePipeline: View['summary'] = (result, paint) => {
  const { value, ...rest } = result;
  const [outcome = '', ...receipt] = describeResult(rest, paint);
  return [outcome, ...describeOutputs(value), ...receipt];
};

function describeOutputs(value: ClientResult['value']): readonly string[] {
  const { outputs } = (value ?? {}) as { outputs?: unknown };
  if (typeof outputs !== 'object' || outputs === null) return [];
  return Object.entries(outputs).map(([name, output]) =>
    printable(`${name}=${printableValue(typeof output === 'string' ? output.replaceAll('\n', '\\n') : output)}`),
  );
}

/** `2026/11/21 23:26:13`, in local time. */
function localTime(time: Date): string {
  const two = (number: number): string => String(number).padStart(2, '0');
  const date = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('/');
  return `${date} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}
