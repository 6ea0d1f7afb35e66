// How the pin door is closed: who listens hears it, who asks is told, and nobody is waited for.

import { expect } from 'chai';
import { connect } from 'node:net';
import { soon, until } from '../../helpers/until.ts';
import { inFolder } from '../../runs/kit.ts';
import { closePin, openPin, played } from './stage.ts';

describe('a pin door that is closed', () => {
  it('pin defect 11: says so to everybody who listens, and is gone within two seconds', () => inFolder(async (folder) => {
    const stage = await openPin(folder);
    const readers = await Promise.all(Array.from({ length: 10 }, (_, at) => stage.listen(at % 2 === 0 ? '/events' : '/unnamed/events')));
    for (const reader of readers) await reader.event('daemon_start');
    await soon('it is gone', closePin(stage), 2_000);
    for (const reader of readers) {
      await reader.end();
      expect(reader.events.at(-1)).to.include({ type: 'daemon_stop', level: 'info', message: 'PIN daemon shutting down' });
    }
  }));

  it('tells the end of its runs first', () => inFolder(async (folder) => {
    const stage = await openPin(folder);
    const reader = await stage.listen();
    const id = await stage.trigger('waits');
    await reader.event('pipeline_started');
    const waiting = stage.ask('/trigger?wait=true', { method: 'POST', body: played('usual') });
    await until('both are there', () => reader.events.filter(({ type }) => type === 'pipeline_trigger').length === 2);
    await closePin(stage);
    await reader.end();
    const ends = reader.events.filter(({ type }) => /^pipeline_cancelled|daemon_stop/.test(type));
    expect(ends.map(({ type }) => type)).to.deep.equal(['pipeline_cancelled', 'pipeline_cancelled', 'daemon_stop']);
    expect(ends.some(({ run_id }) => run_id === id)).to.equal(true);
    expect((await waiting).json).to.include({ error: 'pipeline_failed', message: 'Pipeline execution cancelled' });
  }));

  it('takes nothing new while its runs end, and still tells of them', () => inFolder(async (folder) => {
    const stage = await openPin(folder);
    const id = await stage.trigger('waits');
    stage.door.admitNoMore();
    for (const [path, method] of [['/trigger', 'POST'], ['/events', 'GET']] as const) {
      const { status, json, headers } = await stage.ask(path, { method, ...(method === 'POST' && { body: played('usual') }) });
      expect([status, json['error'], headers.get('retry-after')], path).to.deep.equal([503, 'not_ready', '1']);
    }
    expect((await stage.ask('/')).json).to.include({ status: 'stopping' });
    expect(await stage.record(id)).to.include({ id });
    await closePin(stage);
  }));

  it('does not wait for a reader that takes nothing', () => inFolder(async (folder) => {
    const stage = await openPin(folder, {
      plays: {
        async floods(it) {
          it.plan('build');
          for (let at = 0; at < 40_000; at++) it.print('build', `${'x'.repeat(500)}\n`);
          return {};
        },
      },
    });
    const socket = connect(stage.port, '127.0.0.1');
    socket.on('error', () => {}).write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await new Promise<void>((resolve) => socket.once('data', () => { socket.pause(); resolve(); }));
    await stage.over(await stage.trigger('floods'));
    await closePin(stage);
    const gone = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    socket.resume();
    await gone;
  }));

  it('can be closed twice', () => inFolder(async (folder) => {
    const stage = await openPin(folder);
    await closePin(stage);
    await stage.door.close();
  }));

  it('that cannot listen leaves nothing open', () => inFolder(async (folder) => {
    const stage = await openPin(folder);
    await inFolder(async (other) => {
      let refused: NodeJS.ErrnoException | undefined;
      await openPin(other, { options: { listen: { host: '127.0.0.1', port: stage.port } } }).catch((error: NodeJS.ErrnoException) => { refused = error; });
      expect(refused?.code).to.equal('EADDRINUSE');
    });
    await closePin(stage);
  }));
});
