// Finds the run that a user names: by its id, by the beginning of its id, or as `last`.

import type { RunRecord } from '../../../protocol/run-record.ts';
import type { Stdio } from '../backend.ts';
import { printError } from '../call/status.ts';
import { exitCodes } from '../exit-codes.ts';
import type { GatewayAddress } from './address.ts';
import { fetchJson } from './fetch-json.ts';
import { listRuns } from './list-runs.ts';

/**
 * Ids that clients and gateways generate. Such an id is complete, so it is not looked up as the beginning of another.
 */
const generatedId = /^[a-z2-7]{20}$/;
/** Number of newest runs in which the beginning of an id is looked up. */
const searchedRuns = 1_000;
const shownRuns = 5;

/**
 * Calls `work` with the id of the run. Resolves with the exit code of `work`. Prints an error if not exactly one run
 * matches.
 */
export async function withRun(
  named: string,
  { address, stdio }: { readonly address: GatewayAddress; readonly stdio: Stdio },
  work: (id: string) => Promise<number>,
): Promise<number> {
  const found = generatedId.test(named) ? { id: named } : await findRun(named, address);
  if ('id' in found) return work(found.id);
  printError(found.error, stdio);
  return found.code;
}

type FoundRun = { readonly id: string } | { readonly error: readonly string[]; readonly code: number };

async function findRun(named: string, address: GatewayAddress): Promise<FoundRun> {
  if (named === 'last') return findNewest(address);
  const exact = await fetchJson<RunRecord>(address, `runs/${encodeURIComponent(named)}`, ['id']);
  if ('body' in exact) return { id: exact.body.id };
  if (exact.status !== 404) return { error: exact.error, code: exitCodes.unknown };
  const newest = await listRuns(address, { limit: searchedRuns });
  if ('error' in newest) return { error: newest.error, code: exitCodes.unknown };
  const ids = newest.body.map(({ id }) => id).filter((id) => id.startsWith(named));
  if (ids.length === 1) return { id: ids[0]! };
  if (ids.length === 0) return notFound(`no run has the id "${named}"; "distillery runs" lists all runs`);
  const shown = ids.slice(0, shownRuns).join(', ');
  const more = ids.length > shownRuns ? `, and ${ids.length - shownRuns} more` : '';
  return notFound(`the ids of several runs begin with "${named}": ${shown}${more}`);
}

async function findNewest(address: GatewayAddress): Promise<FoundRun> {
  const newest = await listRuns(address, { limit: 1 });
  if ('error' in newest) return { error: newest.error, code: exitCodes.unknown };
  const id = newest.body[0]?.id;
  return id === undefined ? notFound('there are no runs') : { id };
}

function notFound(message: string): FoundRun {
  return { error: [message], code: exitCodes.rejected };
}
