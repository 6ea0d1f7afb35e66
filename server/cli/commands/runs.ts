// `distillery runs`: lists active and ended runs.

import { Command, InvalidArgumentError, Option } from 'commander';
import { parseTime } from '../../../calls/text/time.ts';
import { parseAge } from '../../../calls/text/units.ts';
import { outcomes, runStates } from '../../../protocol/run-record.ts';
import { wallClockMs } from '../../support/wall-clock.ts';
import type { CliBackend, Stdio } from '../backend.ts';
import { printError } from '../call/status.ts';
import { exitCodes } from '../exit-codes.ts';
import type { GatewayAddress } from '../gateway/address.ts';
import { listRuns } from '../gateway/list-runs.ts';
import { type GatewayFlags, gatewayOptionTexts, withGateway } from './gateway-options.ts';
import { parseWholeNumber } from './parse-number.ts';
import { formatRuns } from './runs-table.ts';

interface RunsFlags extends GatewayFlags, RunFilters {
  readonly limit: number;
  readonly json?: true;
}

/** Query parameters of the list. */
interface RunFilters {
  readonly state?: string;
  readonly outcome?: string;
  readonly call?: string;
  readonly caller?: string;
  readonly since?: string;
  readonly until?: string;
}

const helpFooter = `
With --json each run is one line of JSON, described in docs/http.md.

Exit codes: 0 list printed; 2 wrong arguments; 125 the gateway cannot be reached or rejected the
request.

Examples:
  $ distillery runs
  $ distillery runs --state running
  $ distillery runs --outcome failed --call deploy --since 2d
  $ distillery runs --limit 100 --json | jq -r .id`;

export function runsCommand(backend: CliBackend, stdio: Stdio, exit: (code: number) => void): Command {
  return new Command('runs')
    .summary('list runs, newest first')
    .description('Lists runs, newest first, with state or outcome, age, duration and number of lines.')
    .addOption(new Option('--state <state>', 'list only runs in this state').choices(runStates))
    .addOption(new Option('--outcome <outcome>', 'list only runs with this outcome').choices(outcomes))
    .option('--call <name>', 'list only runs of this call')
    .option('--caller <name>', 'list only runs of this caller; an empty name for anonymous callers')
    .option(
      '--since <time>',
      'list only runs queued at this time or later: RFC 3339, or an age such as 2h',
      parseTimeOrAge,
    )
    .option('--until <time>', 'list only runs queued before this time: RFC 3339, or an age such as 2h', parseTimeOrAge)
    .option('--limit <runs>', 'list at most this many runs', parseWholeNumber, 20)
    .option('--json', 'print each run as one line of JSON')
    .option('--url <url>', gatewayOptionTexts.url)
    .option('--config <file>', gatewayOptionTexts.config)
    .addHelpText('after', helpFooter)
    .action(async (flags: RunsFlags) =>
      exit(await withGateway(flags, { backend, stdio }, (address) => list(address, flags, stdio))),
    );
}

async function list(address: GatewayAddress, { limit, json, ...flags }: RunsFlags, stdio: Stdio): Promise<number> {
  const listed = await listRuns(address, { limit, filters: pickFilters(flags) });
  if ('error' in listed) {
    printError(listed.error, stdio);
    return exitCodes.unknown;
  }
  const rows = listed.body;
  if (json === true) for (const row of rows) stdio.stdout.write(`${JSON.stringify(row)}\n`);
  else stdio.stdout.write(formatRuns(rows, stdio.stdout.isTTY ? stdio.stdout.columns || undefined : undefined));
  return exitCodes.succeeded;
}

function pickFilters({ state, outcome, call, caller, since, until }: RunFilters): Record<string, string> {
  const given = Object.entries({ state, outcome, call, caller, since, until });
  return Object.fromEntries(given.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

/** Parses a time. An age such as `2h` is the time that long ago. Commander prints the error. */
function parseTimeOrAge(text: string): string {
  const time = parseTime(text);
  if (time !== undefined) return time;
  try {
    return new Date(wallClockMs() - parseAge(text)).toISOString();
  } catch {
    throw new InvalidArgumentError('It must be a time such as 2026-11-22T10:30:00Z, or an age such as 2h.');
  }
}
