// `distillery logs RUN`: prints the stored lines of a run, and with --follow new lines until the run ends.

import { Command } from 'commander';
import { attachRun, type ClientResult } from '../../../protocol/client/client.ts';
import type { GapMessage } from '../../../protocol/messages.ts';
import type { RunRecord } from '../../../protocol/run-record.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { createLineView, type LineView } from '../call/line-view.ts';
import { OutputWriter } from '../call/output.ts';
import { runSession } from '../call/run-session.ts';
import { ServiceFilter } from '../call/service-filter.ts';
import { describeGap, printError } from '../call/status.ts';
import { plainView, type View } from '../call/view.ts';
import { exitCodeForResult, exitCodes } from '../exit-codes.ts';
import type { GatewayAddress } from '../gateway/address.ts';
import { type FetchResult, fetchBytes, fetchJson } from '../gateway/fetch-json.ts';
import { fetchJobIds } from '../gateway/job-ids.ts';
import { withRun } from '../gateway/resolve-run.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseWholeNumber } from './parse-number.ts';
import { parseRunId, runArgumentText } from './run-id.ts';

interface LogsFlags extends GatewayFlags {
  readonly after?: number;
  readonly tail?: number;
  readonly follow?: true;
  readonly job?: string;
  readonly services?: true;
  readonly prefix?: true;
}

const helpFooter = `
All jobs of a pipeline share one log, in the order in which they printed. --after and --tail count
the lines of all jobs and their services.

For a call with "output: bytes", the command writes the bytes of each stream unchanged to stdout or
stderr, and --after and --tail count bytes.

If retention has removed lines, stderr has their range. The output of a terminal is printed line by
line; with --follow it is printed in the chunks that arrive.

Exit codes: 0 lines printed, regardless of the outcome of the run; 2 no such run or job; 125 the gateway
cannot be reached or rejected the request; 141 the reader of stdout closed the pipe.

Examples:
  $ distillery logs jyxrpkmyae2agpug
  $ distillery logs --tail 20 --follow jyxrpkmyae2agpug
  $ distillery logs --after 1200 jyxrpkmyae2agpug | grep error
  $ distillery logs --job build jyxrpkmyae2agpug
  $ distillery logs --job build --services --prefix jyxrpkmyae2agpug`;

export function logsCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('logs')
    .summary('print the stored lines of a run')
    .description(
      'Prints the stored lines of a run, and with --follow new ones until the run ends. Prints nothing else on stdout.',
    )
    .argument('<run>', runArgumentText, parseRunId)
    .option('-f, --follow', 'print new lines until the run ends')
    .option(
      '--after <lines>',
      'skip this many lines (for output of bytes: bytes; with --follow, also for a terminal)',
      parseWholeNumber,
    )
    .option('--tail <lines>', 'print only this many lines before the current end', parseWholeNumber)
    .option('--job <job>', 'print only the lines of this job of a pipeline')
    .option('--services', 'also print the lines of services')
    .option('--prefix', 'print the name of the job before each line')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .addHelpText('after', helpFooter)
    .action(async (run: string, flags: LogsFlags) =>
      exit(
        await withGateway(flags, { backend, stdio }, (address) =>
          withRun(run, { address, stdio }, (id) => printLogs(id, { address, flags, stdio })),
        ),
      ),
    );
}

interface LogsDeps {
  readonly address: GatewayAddress;
  readonly flags: LogsFlags;
  readonly stdio: Stdio;
}

async function printLogs(run: string, deps: LogsDeps): Promise<number> {
  const { address, flags, stdio } = deps;
  const { job } = flags;
  const jobs = job === undefined ? undefined : await fetchJobIds(address, run);
  if (job === undefined || jobs === undefined || jobs.includes(job))
    return flags.follow === true ? follow(run, deps) : print(run, deps);
  printError(
    [
      jobs.length === 0
        ? `the run ${run} has no jobs`
        : `the run ${run} has no job "${job}"; its jobs are ${jobs.join(', ')}`,
    ],
    stdio,
  );
  return exitCodes.usage;
}

function follow(run: string, { address, flags, stdio }: LogsDeps): Promise<number> {
  const { tail } = flags;
  return runSession(
    {
      address,
      quiet: true,
      reconnect: true,
      onInterrupt: 'detach',
      output: 'stdout',
      ...(flags.services === true && { services: true }),
      ...((flags.job !== undefined || flags.prefix === true) && { view: createFollowView(flags) }),
      input: 'untouched',
      open: (link) =>
        attachRun({ ...link, run, ...(tail === undefined ? { after: flags.after ?? 0 } : { last: tail }) }),
      exitCode: (ended: ClientResult) =>
        ended.lost === undefined && ended.status !== 'rejected' ? exitCodes.succeeded : exitCodeForResult(ended),
    },
    stdio,
  );
}

function createFollowView(flags: LogsFlags): View {
  const view = createLineView(flags);
  return {
    ...plainView,
    output(item) {
      if ('event' in item) view.onEvent(item.event);
      // After a gap, lines belong to the run itself until an event names a job.
      if ('gap' in item) view.onEvent({ type: 'stream' });
      if (!('line' in item)) return plainView.output(item);
      const formatted = view.formatLine(item.line);
      return formatted === undefined ? undefined : `${formatted}\n`;
    },
  };
}

interface LinePage {
  readonly lines: readonly string[];
  readonly sources?: readonly { readonly from: number; readonly [fact: string]: unknown }[];
  readonly omitted?: readonly { readonly from: number; readonly to: number }[];
  readonly next: number;
  readonly ended: boolean;
  readonly gap?: GapMessage['gap'];
}

/**
 * Prints the stored lines up to the last one at the start of the command, because an active run adds lines all the
 * time.
 */
async function print(run: string, { address, flags, stdio }: LogsDeps): Promise<number> {
  const path = `runs/${encodeURIComponent(run)}`;
  const output = new OutputWriter(stdio.stdout, () => {});
  const record = await fetchJson<RunRecord>(address, path, ['id', 'lines']);
  if ('error' in record) return printFetchError(record, run, stdio);
  if (record.body.output === 'bytes') return printBytes(record.body, { address, flags, stdio });
  const until = record.body.lines;
  // Send the parameter only if needed, because earlier versions of the gateway do not know it.
  const services = flags.services === true ? '&services=true' : '';
  const filter = new ServiceFilter(flags.services === true);
  let next = flags.tail === undefined ? (flags.after ?? 0) : Math.max(0, until - flags.tail);
  while (next < until && output.failure === undefined) {
    const page = await fetchJson<LinePage>(address, `${path}/lines?after=${next}${services}`, ['lines', 'next']);
    if ('error' in page) return printFetchError(page, run, stdio);
    const { gap } = page.body;
    if (gap !== undefined) printError([describeGap({ gap })], stdio);
    for (const line of formatLines(page.body, filter, createLineView(flags))) await output.write(`${line}\n`);
    // A page without lines need not be the last: lines of services may be left out of it.
    if (page.body.next <= next) break;
    next = page.body.next;
  }
  await output.end();
  return output.failure === undefined ? exitCodes.succeeded : printFailure(output.failure, stdio);
}

/**
 * Prints the bytes of a call with `output: bytes`: first those of stdout, then those of stderr. `--after` and `--tail`
 * count bytes of both streams.
 */
async function printBytes({ id, bytes }: RunRecord, { address, flags, stdio }: LogsDeps): Promise<number> {
  const after = flags.tail === undefined ? (flags.after ?? 0) : Math.max(0, bytes - flags.tail);
  for (const stream of ['stdout', 'stderr'] as const) {
    const output = new OutputWriter(stdio[stream], () => {});
    const error = await fetchBytes(
      address,
      `runs/${encodeURIComponent(id)}/lines?stream=${stream}&after=${after}`,
      async (chunk) => {
        await output.writeBytes(chunk);
        return output.failure === undefined;
      },
    );
    if (error !== undefined) return printFetchError(error, id, stdio);
    await output.end();
    if (output.failure !== undefined) return printFailure(output.failure, stdio);
  }
  return exitCodes.succeeded;
}

function printFailure(failure: NodeJS.ErrnoException, stdio: Stdio): number {
  if (failure.code === 'EPIPE') return exitCodes.brokenPipe;
  printError([`cannot write the output: ${failure.message}`], stdio);
  return exitCodes.unknown;
}

function formatLines(
  { lines, sources = [], omitted = [], next }: LinePage,
  filter: ServiceFilter,
  view: LineView,
): readonly string[] {
  const omittedCount = omitted.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  const lastOmitted = new Map(omitted.map(({ from, to }) => [from, to]));
  const changes = [...sources];
  let number = next - lines.length - omittedCount;
  // Until the first entry of `sources`, lines belong to the run itself.
  filter.onEvent({ type: 'stream' });
  return lines.flatMap((line) => {
    number = (lastOmitted.get(number + 1) ?? number) + 1;
    // The first line of a source may be left out, so also look at sources that begin before this line.
    while (changes[0] !== undefined && changes[0].from <= number) {
      const event = { ...changes.shift(), type: 'stream' };
      filter.onEvent(event);
      view.onEvent(event);
    }
    return filter.hides(line) ? [] : (view.formatLine(line) ?? []);
  });
}

function printFetchError(
  { error, status }: Extract<FetchResult<unknown>, { readonly error: unknown }>,
  run: string,
  stdio: Stdio,
): number {
  printError(status === 404 ? [`no run has the id "${run}"; "distillery runs" lists all runs`] : error, stdio);
  return status === 404 ? exitCodes.rejected : exitCodes.unknown;
}
