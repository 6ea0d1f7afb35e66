// Tests the GitHub webhook: the response in each situation, and the variables of the run.

import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  closePin,
  type HttpResult,
  openPin,
  type PinFixture,
  type PinFixtureOptions,
  scriptedPipeline,
} from '../../helpers/compat/scripted-pin-server.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';

const secret = 'shared';
const push = { ref: 'refs/heads/main', after: 'c0ffee', head_commit: { id: 'c0ffee' } };

interface Delivery {
  readonly payload?: unknown;
  /** Value of the header X-GitHub-Event, `push` by default. Null: no header. */
  readonly event?: string | null;
  /** Content type of the body. The default depends on `form`. */
  readonly type?: string;
  readonly signature?: string;
  readonly form?: boolean;
}

function deliver(
  { request }: PinFixture,
  { payload = push, event = 'push', signature, form = false, type }: Delivery = {},
): Promise<HttpResult> {
  const json = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const body = form ? `payload=${encodeURIComponent(json)}` : json;
  const headers = {
    'Content-Type': type ?? (form ? 'application/x-www-form-urlencoded' : 'application/json'),
    ...(event !== null && { 'X-GitHub-Event': event }),
    'X-Hub-Signature-256': signature ?? `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
  return request('/webhooks/github', { method: 'POST', body, headers });
}

/** Runs `work` with a pin API whose webhook runs the pipeline file `ci.yaml`. */
async function withHook(
  work: (fixture: PinFixture, file: string) => Promise<void>,
  { text = scriptedPipeline('usual'), ...options }: PinFixtureOptions & { readonly text?: string | null } = {},
): Promise<void> {
  await withTempFolder(async (folder) => {
    const file = join(folder, 'ci.yaml');
    if (text !== null) await writeFile(file, text);
    const fixture = await openPin(folder, {
      secrets: { HOOK: secret },
      ...options,
      options: { github: { secret: { variable: 'HOOK' }, branch: 'main', pipeline: file }, ...options.options },
    });
    try {
      await work(fixture, file);
    } finally {
      await closePin(fixture);
    }
  });
}

describe('the GitHub webhook', () => {
  for (const [what, payload] of [
    ['ref and after', push],
    ['ref and commits', { ref: 'refs/heads/main', commits: [] }],
    ['ref and head_commit', { ref: 'refs/heads/main', head_commit: { id: 'c0ffee' } }],
  ] as const)
    it(`L14: a delivery without X-GitHub-Event is a push if its body has ${what}`, () =>
      withHook(async (fixture) => {
        for (const form of [false, true])
          expect((await deliver(fixture, { payload, event: null, form })).json).to.include({
            status: 'accepted',
            branch: 'main',
          });
      }));

  for (const payload of [
    { zen: 'x', hook_id: 1 },
    { ref: 'v1', ref_type: 'tag', after: 'c0ffee' },
    { ref: 'main' },
    {},
  ])
    it(`L14: a delivery without X-GitHub-Event is skipped if its body is not a push: ${JSON.stringify(payload)}`, () =>
      withHook(async (fixture) => {
        expect((await deliver(fixture, { payload, event: null })).json).to.include({
          status: 'skipped',
          message: 'event type ignored',
        });
      }));

  it('L14: the webhook reads a JSON payload of any content type, such as the default of curl', () =>
    withHook(async (fixture) => {
      for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'nonsense', 'application/json'])
        for (const payload of [JSON.stringify(push), ` \n${JSON.stringify(push, undefined, 2)}\n`])
          for (const event of ['push', null])
            expect((await deliver(fixture, { payload, type, event })).json, type).to.include({ status: 'accepted' });
    }));

  it('L14: a delivery without X-GitHub-Event whose body cannot be read is rejected', () =>
    withHook(async (fixture) => {
      for (const payload of ['', 'x', '[]', 'null', '{'])
        expect((await deliver(fixture, { payload, event: null })).status, payload).to.equal(400);
    }));

  it('pin defect 23: a push to the branch runs the pipeline, with variables of the push', () =>
    withHook(
      async (fixture) => {
        for (const form of [false, true]) {
          const { status, json } = await deliver(fixture, { form });
          expect(status).to.equal(200);
          expect(json).to.have.all.keys('status', 'message', 'branch', 'run_id', 'pipeline_id', 'timestamp');
          expect(json).to.include({
            status: 'accepted',
            message: 'GitHub webhook pipeline queued',
            branch: 'main',
            pipeline_id: json['run_id'],
          });
          expect(await fixture.ended(json['run_id'] as string)).to.include({
            status: 'success',
            source: 'github_webhook',
          });
        }
      },
      {
        text: scriptedPipeline('looks'),
        scripts: {
          async looks(_it, { variables, file }) {
            expect({ variables, file }).to.deep.equal({
              variables: { BRANCH: 'main', COMMIT_SHA: 'c0ffee' },
              file: 'ci.yaml',
            });
            return {};
          },
        },
      },
    ));

  it('pin defect 23: an event other than push is skipped', () =>
    withHook(async (fixture) => {
      for (const event of ['ping', 'pull_request', '']) {
        const { status, json } = await deliver(fixture, { event, payload: { zen: 'x' } });
        expect([status, json['status'], json['message']], event).to.deep.equal([200, 'skipped', 'event type ignored']);
        expect(json).to.have.all.keys('status', 'message', 'timestamp');
      }
      expect((await fixture.request('/runs')).json['runs']).to.deep.equal([]);
    }));

  it('pushes to other branches and pushes of tags or deleted branches are skipped', () =>
    withHook(async (fixture) => {
      for (const [ref, branch] of [
        ['refs/heads/feature/x', 'feature/x'],
        ['refs/heads/mainline', 'mainline'],
        ['refs/tags/main', 'refs/tags/main'],
      ]) {
        const { status, json } = await deliver(fixture, { payload: { ...push, ref } });
        expect(status).to.equal(200);
        expect(json)
          .to.have.all.keys('status', 'message', 'branch', 'timestamp')
          .and.include({ status: 'skipped', message: 'branch filter did not match', branch });
      }
      expect((await deliver(fixture, { payload: { ...push, deleted: true } })).json).to.include({
        status: 'skipped',
        message: 'branch was deleted',
      });
      expect((await fixture.request('/runs')).json['runs']).to.deep.equal([]);
    }));

  it('a wrong signature is rejected', () =>
    withHook(async (fixture) => {
      const wrong = createHmac('sha256', 'other').update(JSON.stringify(push)).digest('hex');
      for (const signature of [`sha256=${wrong}`, wrong, 'sha256=', '', 'sha1=abc']) {
        const { status, json } = await deliver(fixture, { signature });
        expect([status, json['error'], json['message']], signature).to.deep.equal([
          401,
          'unauthorized',
          'Invalid GitHub signature',
        ]);
      }
    }));

  it('an unreadable payload is rejected', () =>
    withHook(async (fixture) => {
      for (const payload of ['{', '[]', 'null', '"x"', '{"ref":1}']) {
        const { status, json } = await deliver(fixture, { payload });
        expect([status, json['error'], json['message']], payload).to.deep.equal([
          400,
          'invalid_request',
          'Invalid GitHub webhook payload',
        ]);
      }
    }));

  it('the webhook reports that it is not configured', async () => {
    for (const [github, message] of [
      [{ branch: 'main', pipeline: '/nowhere/ci.yaml' }, 'GitHub webhook secret is not configured'],
      [{ branch: 'main', secret: { variable: 'HOOK' } }, 'GitHub webhook pipeline is not configured'],
    ] as const) {
      await withHook(
        async (fixture) => {
          const { status, json } = await deliver(fixture);
          expect([status, json['error'], json['message']]).to.deep.equal([503, 'not_ready', message]);
        },
        { options: { github } },
      );
    }
  });

  it('the webhook reports an unreadable pipeline file without its path', () =>
    withHook(
      async (fixture) => {
        const { status, json, text } = await deliver(fixture);
        expect([status, json['error'], json['message']]).to.deep.equal([
          500,
          'internal_error',
          'Failed to read webhook pipeline file',
        ]);
        expect(text).not.to.contain(fixture.folder);
      },
      { text: null },
    ));

  it('the webhook reports an invalid pipeline', () =>
    withHook(
      async (fixture) => {
        expect((await deliver(fixture)).json).to.include({ error: 'validation_failed' });
      },
      { text: '# error: {}\n' },
    ));

  it('the webhook needs a signature, but no token', () =>
    withHook(
      async (fixture) => {
        expect((await deliver(fixture)).json).to.include({ status: 'accepted' });
      },
      { options: { token: { variable: 'TOKEN' } }, secrets: { HOOK: secret, TOKEN: 't' } },
    ));
});
