// `distillery runs`: what runs, and what has run.

import { Command, Option } from 'commander';
import type { RunRecord } from '../../../protocol/record.ts';
import { runStates } from '../../../protocol/record.ts';
import { askGateway } from '../ask-gateway.ts';
import { columns } from '../columns.ts';
import { complain, printable } from '../call/status.ts';
import { exitCodes } from '../exit-codes.ts';
import type { Ends, House } from '../parts.ts';
import { wholeNumber } from './numbers.ts';
import { atGateway, whereTexts, type WhereFlags } from './where.ts';

interface RunsFlags extends WhereFlags {
  readonly state?: string;
  readonly limit: number;
  readonly json?: true;
}

const after = `
Newest first. With --json each run is one line of JSON, as docs/http.md describes it.

Exit codes: 0 told; 2 wrong arguments; 125 the gateway cannot be reached or refused.

Examples:
  $ distillery runs
  $ distillery runs --state running
  $ distillery runs --limit 100 --json | jq -r .id`;

export function runsCommand(house: House, ends: Ends, exit: (code: number) => void): Command {
  return new Command('runs')
    .summary('list runs, newest first')
    .description('List runs, newest first: what they are, how they are or how they ended, and how much they printed.')
    .addOption(new Option('--state <state>', 'only those in this state').choices(runStates))
    .option('--limit <runs>', 'at most so many', wholeNumber, 20)
    .option('--json', 'one line of JSON for each run')
    .option('--url <url>', whereTexts.url)
    .option('--config <file>', whereTexts.config)
    .addHelpText('after', after)
    .action(async (flags: RunsFlags) => exit(await atGateway(flags, { house, ends }, (url) => list(url, flags, ends))));
}

async function list(url: string, { state, limit, json }: RunsFlags, ends: Ends): Promise<number> {
  const rows: RunRecord[] = [];
  for (let before: string | undefined; rows.length < limit;) {
    const query = new URLSearchParams({ limit: String(Math.min(limit - rows.length, pageRuns)), ...(state !== undefined && { state }), ...(before !== undefined && { before }) });
    const answer = await askGateway<{ runs: RunRecord[]; next?: string }>(url, `runs?${query}`);
    if ('problem' in answer) {
      complain(answer.problem, ends);
      return exitCodes.unknown;
    }
    rows.push(...answer.body.runs);
    before = answer.body.next;
    if (before === undefined) break;
  }
  if (json === true) for (const row of rows) ends.stdout.write(`${JSON.stringify(row)}\n`);
  else ends.stdout.write(columns(['RUN', 'CALL', 'STATE', 'AGE', 'TOOK', 'LINES'], rows.map((row) => cells(row, Date.now()))));
  return exitCodes.succeeded;
}

/** A page that every gateway gives. */
const pageRuns = 100;
const wordsMax = 40;

function cells({ id, call, params, state, outcome, queuedAt, startedAt, endedAt, lines }: RunRecord, now: number): readonly string[] {
  const words = printable([call, ...params].join(' '));
  const took = startedAt === undefined ? '' : duration((endedAt === undefined ? now : Date.parse(endedAt)) - Date.parse(startedAt));
  return [id, words.length > wordsMax ? `${words.slice(0, wordsMax - 1)}\u2026` : words, outcome ?? state, duration(now - Date.parse(queuedAt)), took, String(lines)];
}

/** The largest unit that is not less than one of it; clocks of two machines may differ, and nothing is younger than now. */
function duration(ms: number): string {
  const s = Math.max(0, ms) / 1_000;
  if (s < 10) return `${s.toFixed(1)}s`;
  if (s < 120) return `${Math.floor(s)}s`;
  if (s < 7_200) return `${Math.floor(s / 60)}m`;
  return s < 172_800 ? `${Math.floor(s / 3_600)}h` : `${Math.floor(s / 86_400)}d`;
}
