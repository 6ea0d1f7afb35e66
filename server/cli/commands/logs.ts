// `distillery logs RUN`: what a run has printed, and with --follow what it goes on to print.

import { Command } from 'commander';
import { attachRun, type CallResult } from '../../../protocol/client.ts';
import type { GapMessage } from '../../../protocol/messages.ts';
import type { RunRecord } from '../../../protocol/record.ts';
import { askGateway, type Answer } from '../ask-gateway.ts';
import { Output } from '../call/output.ts';
import { lineView, type LineView } from '../call/line-view.ts';
import { runAtTerminal } from '../call/run-at-terminal.ts';
import { plainView, type View } from '../call/view.ts';
import { complain, describeGap } from '../call/status.ts';
import { exitCodeOf, exitCodes } from '../exit-codes.ts';
import type { Ends, House } from '../parts.ts';
import { wholeNumber } from './numbers.ts';
import { runId } from './run-id.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface LogsFlags extends WhereFlags {
  readonly after?: number;
  readonly tail?: number;
  readonly follow?: true;
  readonly job?: string;
  readonly prefix?: true;
}

const after = `
The lines of all jobs of a pipeline are in one log, in the order in which they came. --after and --tail count those of all jobs.

Lines that were removed since (retention) are told on stderr. Of a terminal, lines are what is between newlines; with
--follow it is told as it comes.

Exit codes: 0 told, however the run ended; 2 there is no such run; 125 the gateway cannot be reached or refused;
141 the reader of stdout went away.

Examples:
  $ distillery logs jyxrpkmyae2agpug
  $ distillery logs --tail 20 --follow jyxrpkmyae2agpug
  $ distillery logs --after 1200 jyxrpkmyae2agpug | grep error
  $ distillery logs --job build jyxrpkmyae2agpug`;

export function logsCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('logs')
    .summary('print the stored lines of a run')
    .description('Print the lines of a run that are stored, and with --follow those that come, to its end. Nothing else is on stdout.')
    .argument('<run>', 'id of the run', runId)
    .option('-f, --follow', 'go on until the run ends')
    .option('--after <lines>', 'lines (with --follow, of a terminal: bytes) that are known already', wholeNumber)
    .option('--tail <lines>', 'only the last so many', wholeNumber)
    .option('--job <job>', 'only the lines of this job of a pipeline')
    .option('--prefix', 'the name of its job before each line')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .addHelpText('after', after)
    .action(async (run: string, flags: LogsFlags) => exit(await atGateway(flags, { house, ends }, (url) => (flags.follow === true ? follow : print)(run, { url, flags, ends }))));
}

interface LogsParts {
  readonly url: string;
  readonly flags: LogsFlags;
  readonly ends: Ends;
}

function follow(run: string, { url, flags, ends }: LogsParts): Promise<number> {
  const { tail } = flags;
  return runAtTerminal({
    url, quiet: true, reconnect: true, onInterrupt: 'leave', output: 'stdout', view: viewOf(flags), input: 'untouched',
    open: (link) => attachRun({ ...link, run, ...(tail === undefined ? { after: flags.after ?? 0 } : { last: tail }) }),
    exitCode: (ended: CallResult) => (ended.lost === undefined && ended.status !== 'rejected' ? exitCodes.succeeded : exitCodeOf(ended)),
  }, ends);
}

function viewOf(flags: LogsFlags): View {
  const view = lineView(flags);
  return {
    ...plainView,
    output(item) {
      if ('event' in item) view.heed(item.event);
      // Behind what is gone, lines are the run's own again, unless an event says otherwise.
      if ('gap' in item) view.heed({ type: 'stream' });
      if (!('line' in item)) return plainView.output(item);
      const shown = view.show(item.line);
      return shown === undefined ? undefined : `${shown}\n`;
    },
  };
}

interface Page {
  readonly lines: readonly string[];
  readonly sources?: readonly { readonly from: number; readonly job?: string }[];
  readonly next: number;
  readonly ended: boolean;
  readonly gap?: GapMessage['gap'];
}

/** As many lines as there are now: of a run that goes on, more come all the time. */
async function print(run: string, { url, flags, ends }: LogsParts): Promise<number> {
  const path = `runs/${encodeURIComponent(run)}`;
  const output = new Output(ends.stdout, () => {});
  const known = await askGateway<RunRecord>(url, path);
  if ('problem' in known) return refused(known, run, ends);
  const until = known.body.lines;
  let next = flags.tail === undefined ? flags.after ?? 0 : Math.max(0, until - flags.tail);
  while (next < until && output.failure === undefined) {
    const page = await askGateway<Page>(url, `${path}/lines?after=${next}`);
    if ('problem' in page) return refused(page, run, ends);
    const { lines, gap } = page.body;
    if (gap !== undefined) complain([describeGap({ gap })], ends);
    for (const line of shown(page.body, lineView(flags))) await output.write(`${line}\n`);
    if (lines.length === 0) break;
    next = page.body.next;
  }
  await output.end();
  if (output.failure === undefined) return exitCodes.succeeded;
  if (output.failure.code === 'EPIPE') return exitCodes.brokenPipe;
  complain([`the output cannot be written: ${output.failure.message}`], ends);
  return exitCodes.unknown;
}

function shown({ lines, sources = [], next }: Page, view: LineView): readonly string[] {
  const turns = new Map(sources.map((source) => [source.from, source]));
  const first = next - lines.length + 1;
  return lines.flatMap((line, i) => {
    const turn = turns.get(first + i);
    if (turn !== undefined) view.heed({ type: 'stream', ...turn });
    return view.show(line) ?? [];
  });
}

function refused({ problem, status }: Extract<Answer<unknown>, { readonly problem: unknown }>, run: string, ends: Ends): number {
  complain(status === 404 ? [`no such run "${run}"; "distillery runs" lists those there are`] : problem, ends);
  return status === 404 ? exitCodes.rejected : exitCodes.unknown;
}
