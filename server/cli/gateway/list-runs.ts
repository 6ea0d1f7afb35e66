// Lists runs of a gateway, newest first, in as many pages as the gateway allows.

import type { RunRecord } from '../../../protocol/run-record.ts';
import type { GatewayAddress } from './address.ts';
import { type FetchResult, fetchJson } from './fetch-json.ts';

/** Less than the default of `pageRunsMax`. */
const runsPerPage = 100;

interface RunPage {
  readonly runs: readonly RunRecord[];
  readonly next?: string;
}

/** Resolves with at most `limit` runs that match `filters`, which are query parameters of the list. */
export async function listRuns(
  address: GatewayAddress,
  { limit, filters = {} }: { readonly limit: number; readonly filters?: Readonly<Record<string, string>> },
): Promise<FetchResult<readonly RunRecord[]>> {
  const rows: RunRecord[] = [];
  let pageMax: number | undefined = runsPerPage;
  for (let before: string | undefined; rows.length < limit; ) {
    const query = { ...filters, ...(before !== undefined && { before }) };
    const size: Record<string, string> =
      pageMax === undefined ? {} : { limit: String(Math.min(limit - rows.length, pageMax)) };
    const page = await fetchPage(address, { ...query, ...size });
    if ('error' in page) {
      // The gateway may allow smaller pages only. If the request has no `limit`, the gateway chooses the size of the
      // page.
      if (page.status !== 400 || pageMax === undefined) return page;
      pageMax = undefined;
      continue;
    }
    rows.push(...page.body.runs);
    before = page.body.next;
    if (before === undefined) break;
  }
  return { body: rows.slice(0, limit) };
}

function fetchPage(address: GatewayAddress, query: Readonly<Record<string, string>>): Promise<FetchResult<RunPage>> {
  return fetchJson<RunPage>(address, `runs?${new URLSearchParams(query)}`, ['runs']);
}
