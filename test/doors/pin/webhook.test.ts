// The webhook of GitHub: what is answered in each situation, and what the run knows of the push.

import { expect } from 'chai';
import { createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inFolder } from '../../runs/kit.ts';
import { closePin, openPin, played, type PinStage, type StageOptions, type Told } from './stage.ts';

const secret = 'shared';
const push = { ref: 'refs/heads/main', after: 'c0ffee', head_commit: { id: 'c0ffee' } };

interface Delivery {
  readonly payload?: unknown;
  readonly event?: string;
  readonly signature?: string;
  readonly form?: boolean;
}

function deliver({ ask }: PinStage, { payload = push, event = 'push', signature, form = false }: Delivery = {}): Promise<Told> {
  const json = typeof payload === 'string' ? payload : JSON.stringify(payload);
  const body = form ? `payload=${encodeURIComponent(json)}` : json;
  const headers = {
    'Content-Type': form ? 'application/x-www-form-urlencoded' : 'application/json', 'X-GitHub-Event': event,
    'X-Hub-Signature-256': signature ?? `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
  };
  return ask('/webhooks/github', { method: 'POST', body, headers });
}

/** With a pipeline, which is the file `ci.yaml`. */
async function withHook(work: (stage: PinStage, file: string) => Promise<void>, { text = played('usual'), ...more }: StageOptions & { readonly text?: string | null } = {}): Promise<void> {
  await inFolder(async (folder) => {
    const file = join(folder, 'ci.yaml');
    if (text !== null) await writeFile(file, text);
    const stage = await openPin(folder, { secrets: { HOOK: secret }, ...more, options: { github: { secret: { variable: 'HOOK' }, branch: 'main', pipeline: file }, ...more.options } });
    try {
      await work(stage, file);
    } finally {
      await closePin(stage);
    }
  });
}

describe('the GitHub webhook', () => {
  it('pin defect 23: runs the pipeline for a push to the branch, which knows of it', () => withHook(async (stage) => {
    for (const form of [false, true]) {
      const { status, json } = await deliver(stage, { form });
      expect(status).to.equal(200);
      expect(json).to.have.all.keys('status', 'message', 'branch', 'run_id', 'pipeline_id', 'timestamp');
      expect(json).to.include({ status: 'accepted', message: 'GitHub webhook pipeline queued', branch: 'main', pipeline_id: json['run_id'] });
      expect(await stage.over(json['run_id'] as string)).to.include({ status: 'success', source: 'github_webhook' });
    }
  }, {
    text: played('looks'),
    plays: {
      async looks(_it, { variables, file }) {
        expect({ variables, file }).to.deep.equal({ variables: { BRANCH: 'main', COMMIT_SHA: 'c0ffee' }, file: 'ci.yaml' });
        return {};
      },
    },
  }));

  it('pin defect 23: skips what is no push', () => withHook(async (stage) => {
    for (const event of ['ping', 'pull_request', '']) {
      const { status, json } = await deliver(stage, { event, payload: { zen: 'x' } });
      expect([status, json['status'], json['message']], event).to.deep.equal([200, 'skipped', 'event type ignored']);
      expect(json).to.have.all.keys('status', 'message', 'timestamp');
    }
    expect((await stage.ask('/runs')).json['runs']).to.deep.equal([]);
  }));

  it('skips other branches, tags, and branches that are gone', () => withHook(async (stage) => {
    for (const [ref, branch] of [['refs/heads/feature/x', 'feature/x'], ['refs/heads/mainline', 'mainline'], ['refs/tags/main', 'refs/tags/main']]) {
      const { status, json } = await deliver(stage, { payload: { ...push, ref } });
      expect(status).to.equal(200);
      expect(json).to.have.all.keys('status', 'message', 'branch', 'timestamp').and.include({ status: 'skipped', message: 'branch filter did not match', branch });
    }
    expect((await deliver(stage, { payload: { ...push, deleted: true } })).json).to.include({ status: 'skipped', message: 'branch was deleted' });
    expect((await stage.ask('/runs')).json['runs']).to.deep.equal([]);
  }));

  it('refuses a signature that does not fit', () => withHook(async (stage) => {
    const wrong = createHmac('sha256', 'other').update(JSON.stringify(push)).digest('hex');
    for (const signature of [`sha256=${wrong}`, wrong, 'sha256=', '', 'sha1=abc']) {
      const { status, json } = await deliver(stage, { signature });
      expect([status, json['error'], json['message']], signature).to.deep.equal([401, 'unauthorized', 'Invalid GitHub signature']);
    }
  }));

  it('refuses a payload that cannot be read', () => withHook(async (stage) => {
    for (const payload of ['{', '[]', 'null', '"x"', '{"ref":1}']) {
      const { status, json } = await deliver(stage, { payload });
      expect([status, json['error'], json['message']], payload).to.deep.equal([400, 'invalid_request', 'Invalid GitHub webhook payload']);
    }
  }));

  it('says when it is not configured', async () => {
    for (const [github, message] of [
      [{ branch: 'main', pipeline: '/nowhere/ci.yaml' }, 'GitHub webhook secret is not configured'],
      [{ branch: 'main', secret: { variable: 'HOOK' } }, 'GitHub webhook pipeline is not configured'],
    ] as const) {
      await withHook(async (stage) => {
        const { status, json } = await deliver(stage);
        expect([status, json['error'], json['message']]).to.deep.equal([503, 'not_ready', message]);
      }, { options: { github } });
    }
  });

  it('says when the pipeline cannot be read, and not where it is', () => withHook(async (stage) => {
    const { status, json, text } = await deliver(stage);
    expect([status, json['error'], json['message']]).to.deep.equal([500, 'internal_error', 'Failed to read webhook pipeline file']);
    expect(text).not.to.contain(stage.folder);
  }, { text: null }));

  it('says when the pipeline is wrong', () => withHook(async (stage) => {
    expect((await deliver(stage)).json).to.include({ error: 'validation_failed' });
  }, { text: '# error: {}\n' }));

  it('needs no token, for it has its signature', () => withHook(async (stage) => {
    expect((await deliver(stage)).json).to.include({ status: 'accepted' });
  }, { options: { token: { variable: 'TOKEN' } }, secrets: { HOOK: secret, TOKEN: 't' } }));
});
