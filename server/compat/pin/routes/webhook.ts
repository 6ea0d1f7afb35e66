// Route of GitHub's webhook: runs the configured pipeline for a push. Does not check out the repository.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isObject } from '../../../../protocol/codec.ts';
import { readText } from '../../../http/kit/read-body.ts';
import type { RouteResponse } from '../../../http/kit/route-table.ts';
import { PinHttpError } from '../errors.ts';
import { type PinRoute, type RouteDeps, timestamp } from './route.ts';

/** Maximum size of the payloads that GitHub sends. */
const payloadBytesMax = 25 << 20;

export const webhookRoute: PinRoute = {
  method: 'POST',
  path: '/webhooks/github',
  summary: 'runs the configured pipeline for a push',
  open: true,
  handle: async ({ incoming, headers }, deps) => {
    const {
      secrets: { github: secret },
      options: { github },
    } = deps;
    if (secret === undefined) throw new PinHttpError('not_ready', 'GitHub webhook secret is not configured');
    if (github?.pipeline === undefined)
      throw new PinHttpError('not_ready', 'GitHub webhook pipeline is not configured');
    const body = await readText(incoming, { textBytesMax: payloadBytesMax, stallMs: deps.limits().requestMs });
    if (!isSigned(body, firstHeader(headers['x-hub-signature-256']), secret))
      throw new PinHttpError('unauthorized', 'Invalid GitHub signature');
    const event = firstHeader(headers['x-github-event']);
    if (event !== '' && event !== 'push') return skippedResponse({ message: 'event type ignored' });
    const payload = parsePayload(payloadText(body, firstHeader(headers['content-type'])));
    if (event === '' && !isPush(payload)) return skippedResponse({ message: 'event type ignored' });
    const { branch, commit, deleted } = readPush(payload);
    if (branch !== github.branch) return skippedResponse({ message: 'branch filter did not match', branch });
    if (deleted) return skippedResponse({ message: 'branch was deleted', branch });
    return runWebhookPipeline(deps, { file: github.pipeline, branch, commit });
  },
};

/** Returns whether the signature is that of the body. Source: GitHub, "Validating webhook deliveries". */
function isSigned(body: Buffer, signature: string, secret: string): boolean {
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

interface Push {
  /** Name of the branch. For a tag, the full ref. */
  readonly branch: string;
  readonly commit: string;
  readonly deleted: boolean;
}

/** Returns the JSON of a body: the whole body, or the field `payload` of a form. */
function payloadText(body: Buffer, type: string): string {
  const text = body.toString('utf8');
  // By default, curl declares every body a form, so a body that begins with `{` counts as JSON.
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(type) && !/^\s*\{/.test(text);
  return isForm ? (new URLSearchParams(text).get('payload') ?? '') : text;
}

/** Recognizes a push by its fields, for clients that do not send `X-GitHub-Event`. Source: GitHub, "push". */
function isPush({ ref, ref_type: type, before, after, commits, head_commit: head }: Payload): boolean {
  const hasCommits =
    typeof after === 'string' || typeof before === 'string' || Array.isArray(commits) || isObject(head);
  return typeof ref === 'string' && type === undefined && hasCommits;
}

/** Throws a PinHttpError for a payload without a ref. */
function readPush({ ref, after, head_commit: head, deleted }: Payload): Push {
  const commit = typeof after === 'string' ? after : isObject(head) ? head['id'] : undefined;
  if (typeof ref !== 'string') throw invalidPayload;
  return {
    branch: ref.replace(/^refs\/heads\//, ''),
    commit: typeof commit === 'string' ? commit : '',
    deleted: deleted === true,
  };
}

type Payload = Readonly<Record<string, unknown>>;

function parsePayload(text: string): Payload {
  try {
    const payload: unknown = JSON.parse(text);
    if (isObject(payload)) return payload;
  } catch {
    // The error for the client is thrown below.
  }
  throw invalidPayload;
}

const invalidPayload = new PinHttpError('invalid_request', 'Invalid GitHub webhook payload');

async function runWebhookPipeline(
  deps: RouteDeps,
  { file, branch, commit }: { readonly file: string; readonly branch: string; readonly commit: string },
): Promise<RouteResponse> {
  const text = await readFile(file).catch((error: unknown) => {
    deps.log.error({ err: error }, 'the pipeline of the GitHub webhook cannot be read');
    throw new PinHttpError('internal_error', 'Failed to read webhook pipeline file');
  });
  const { id } = await deps.runs.submit({
    text,
    origin: { source: 'github_webhook' },
    variables: { BRANCH: branch, COMMIT_SHA: commit },
  });
  return {
    json: {
      status: 'accepted',
      message: 'GitHub webhook pipeline queued',
      branch,
      run_id: id,
      pipeline_id: id,
      timestamp: timestamp(),
    },
  };
}

function skippedResponse(why: { readonly message: string; readonly branch?: string }): RouteResponse {
  return { json: { status: 'skipped', ...why, timestamp: timestamp() } };
}

function firstHeader(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : (value?.[0] ?? '');
}
