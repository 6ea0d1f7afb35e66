// Tests how the pin API closes: it notifies its clients, rejects new requests and waits for no client.

import { connect } from 'node:net';
import { expect } from 'chai';
import { closePin, openPin, scriptedPipeline } from '../../helpers/compat/scripted-pin-server.ts';
import { withTempFolder } from '../../helpers/runs/test-log.ts';
import { waitUntil, withDeadline } from '../../helpers/wait-until.ts';

describe('closing the pin API', () => {
  it('pin defect 11: closing sends daemon_stop to every client within two seconds', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      const readers = await Promise.all(
        Array.from({ length: 10 }, (_, at) => fixture.listen(at % 2 === 0 ? '/events' : '/unnamed/events')),
      );
      for (const reader of readers) await reader.event('daemon_start');
      await withDeadline('it is closed', closePin(fixture), 2_000);
      for (const reader of readers) {
        await reader.end();
        expect(reader.events.at(-1)).to.include({
          type: 'daemon_stop',
          level: 'info',
          message: 'PIN daemon shutting down',
        });
      }
    }));

  it('closing sends the end of each run before daemon_stop', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      const reader = await fixture.listen();
      const id = await fixture.trigger('waits');
      await reader.event('pipeline_started');
      const waiting = fixture.request('/trigger?wait=true', { method: 'POST', body: scriptedPipeline('usual') });
      await waitUntil(
        'both runs are accepted',
        () => reader.events.filter(({ type }) => type === 'pipeline_trigger').length === 2,
      );
      await closePin(fixture);
      await reader.end();
      const ends = reader.events.filter(({ type }) => /^pipeline_cancelled|daemon_stop/.test(type));
      expect(ends.map(({ type }) => type)).to.deep.equal(['pipeline_cancelled', 'pipeline_cancelled', 'daemon_stop']);
      expect(ends.some(({ run_id }) => run_id === id)).to.equal(true);
      expect((await waiting).json).to.include({ error: 'pipeline_failed', message: 'Pipeline execution cancelled' });
    }));

  it('the pin API rejects new work while its runs end, and still returns records', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      const id = await fixture.trigger('waits');
      fixture.server.drain();
      for (const [path, method] of [
        ['/trigger', 'POST'],
        ['/events', 'GET'],
      ] as const) {
        const { status, json, headers } = await fixture.request(path, {
          method,
          ...(method === 'POST' && { body: scriptedPipeline('usual') }),
        });
        expect([status, json['error'], headers.get('retry-after')], path).to.deep.equal([503, 'not_ready', '1']);
      }
      expect((await fixture.request('/')).json).to.include({ status: 'stopping' });
      expect(await fixture.record(id)).to.include({ id });
      await closePin(fixture);
    }));

  it('closing does not wait for a client that accepts no data', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder, {
        scripts: {
          async floods(script) {
            script.plan('build');
            const lines = `${'x'.repeat(500)}\n`.repeat(100);
            for (let at = 0; at < 400; at++) script.print('build', lines);
            return {};
          },
        },
      });
      const socket = connect(fixture.port, '127.0.0.1');
      socket.on('error', () => {}).write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await new Promise<void>((resolve) =>
        socket.once('data', () => {
          socket.pause();
          resolve();
        }),
      );
      await fixture.ended(await fixture.trigger('floods'));
      await closePin(fixture);
      const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
      socket.resume();
      await closed;
    }));

  it('closing the pin API is idempotent', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      await closePin(fixture);
      await fixture.server.close();
    }));

  it('a pin API that cannot listen leaves nothing open', () =>
    withTempFolder(async (folder) => {
      const fixture = await openPin(folder);
      await withTempFolder(async (other) => {
        let failure: NodeJS.ErrnoException | undefined;
        await openPin(other, { options: { listen: { host: '127.0.0.1', port: fixture.port } } }).catch(
          (error: NodeJS.ErrnoException) => {
            failure = error;
          },
        );
        expect(failure?.code).to.equal('EADDRINUSE');
      });
      await closePin(fixture);
    }));
});
