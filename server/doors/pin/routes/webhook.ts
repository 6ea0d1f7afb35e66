// A push that GitHub tells of: the configured pipeline is run for it. No checkout is made.

import { createHmac, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { textOf } from '../body.ts';
import { PinRefusal } from '../refusal.ts';
import { timestamp, type Answer, type DoorParts, type Route } from './route.ts';

/** GitHub sends no larger ones. */
const payloadBytesMax = 25 << 20;

export const webhookRoute: Route = {
  method: 'POST', path: '/webhooks/github', summary: 'runs the configured pipeline for a push', open: true,
  answer: async ({ request }, door) => {
    const { secrets: { github: secret }, options: { github } } = door;
    if (secret === undefined) throw new PinRefusal('not_ready', 'GitHub webhook secret is not configured');
    if (github?.pipeline === undefined) throw new PinRefusal('not_ready', 'GitHub webhook pipeline is not configured');
    const body = await textOf(request, { textBytesMax: payloadBytesMax, stallMs: door.limits().requestMs });
    if (!isSigned(body, header(request.headers['x-hub-signature-256']), secret)) throw new PinRefusal('unauthorized', 'Invalid GitHub signature');
    if (header(request.headers['x-github-event']) !== 'push') return skipped({ message: 'event type ignored' });
    const { branch, commit, deleted } = pushOf(body, header(request.headers['content-type']));
    if (branch !== github.branch) return skipped({ message: 'branch filter did not match', branch });
    if (deleted) return skipped({ message: 'branch was deleted', branch });
    return accepted(door, { file: github.pipeline, branch, commit });
  },
};

/** Source: GitHub, "Validating webhook deliveries". */
function isSigned(body: Buffer, signature: string, secret: string): boolean {
  const expected = Buffer.from(`sha256=${createHmac('sha256', secret).update(body).digest('hex')}`);
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

interface Push {
  /** Of a tag, its whole name. */
  readonly branch: string;
  readonly commit: string;
  readonly deleted: boolean;
}

/** A payload comes as JSON, or as a form with the JSON in it. Throws a PinRefusal when it is neither. */
function pushOf(body: Buffer, type: string): Push {
  const text = /^application\/x-www-form-urlencoded\b/i.test(type) ? new URLSearchParams(body.toString('utf8')).get('payload') ?? '' : body.toString('utf8');
  const { ref, after, head_commit: head, deleted } = parsed(text);
  const commit = typeof after === 'string' ? after : (head as { readonly id?: unknown } | null | undefined)?.id;
  if (typeof ref !== 'string') throw invalid;
  return { branch: ref.replace(/^refs\/heads\//, ''), commit: typeof commit === 'string' ? commit : '', deleted: deleted === true };
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const payload = JSON.parse(text) as unknown;
    if (typeof payload === 'object' && payload !== null) return payload as Record<string, unknown>;
  } catch {
    // Told below.
  }
  throw invalid;
}

const invalid = new PinRefusal('invalid_request', 'Invalid GitHub webhook payload');

async function accepted(door: DoorParts, { file, branch, commit }: { readonly file: string; readonly branch: string; readonly commit: string }): Promise<Answer> {
  const text = await readFile(file).catch((error: unknown) => {
    door.log.error({ err: error }, 'the pipeline of the GitHub webhook cannot be read');
    throw new PinRefusal('internal_error', 'Failed to read webhook pipeline file');
  });
  const { id } = await door.pipelines.take({ text, origin: { source: 'github_webhook' }, variables: { BRANCH: branch, COMMIT_SHA: commit } });
  return { json: { status: 'accepted', message: 'GitHub webhook pipeline queued', branch, run_id: id, pipeline_id: id, timestamp: timestamp() } };
}

function skipped(why: { readonly message: string; readonly branch?: string }): Answer {
  return { json: { status: 'skipped', ...why, timestamp: timestamp() } };
}

function header(value: string | readonly string[] | undefined): string {
  return typeof value === 'string' ? value : value?.[0] ?? '';
}
