import { expect } from 'chai';
import fs from 'node:fs';
import { join } from 'node:path';
import { deferred } from '../../server/support/deferred.ts';
import type { RunLog } from '../../server/runs/log/log.ts';
import { Watcher, type WatcherOptions } from '../../server/runs/watcher.ts';
import { until } from '../helpers/until.ts';
import { holdDisk, inFolder, newLog, Notebook, openFiles } from './kit.ts';

function watch(log: RunLog, notebook = new Notebook(), options: Partial<WatcherOptions> = {}) {
  const ended = deferred<void>();
  const failed = deferred<unknown>();
  const watcher = new Watcher(log, notebook, { shape: log.shape, onEnd: () => ended.resolve(), onError: failed.resolve, ...options });
  watcher.wake();
  return { watcher, notebook, ended: ended.promise, failed: failed.promise };
}

const text = (log: RunLog, what: string) => log.write('stdout', Buffer.from(what));

describe('a watcher', () => {
  it('is given lines before the disk has them', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const { notebook } = watch(log);
    const disk = await holdDisk(folder);
    text(log, 'at once\n');
    expect(notebook.told).to.deep.equal(['at once']);
    await disk.letGo();
    await log.close();
  }));

  it('can come to a log that has long ended, again and again, and leaves no file open', () => inFolder(async (folder) => {
    const before = openFiles();
    const log = newLog(folder);
    text(log, 'one\ntwo');
    await log.close();
    await until('its files are closed', () => openFiles() === before);
    for (let i = 0; i < 3; i++) {
      const { notebook, ended } = watch(log);
      await ended;
      expect(notebook.told).to.deep.equal(['one', 'two', '#unterminated 1']);
      await until('its files are closed again', () => openFiles() === before);
    }
  }));

  it('is told nothing more once it is stopped, not even that a page cannot be read', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { tailBytesMax: 0 });
    text(log, 'one\n');
    await log.close();
    const told: unknown[] = [];
    const { watcher, notebook } = watch(log, new Notebook(), { onEnd: () => told.push('end'), onError: (error) => told.push(error) });
    const disk = await holdDisk(folder);
    watcher.stop();
    watcher.stop();
    await disk.letGo();
    const { ended } = watch(log);
    await ended;
    expect([...told, ...notebook.told]).to.deep.equal([]);
  }));

  it('whose outlet throws is told so, and hurts neither the log nor the others', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const broken = new Notebook();
    broken.frames = () => { throw new Error('no outlet any more'); };
    const first = watch(log, broken);
    const second = watch(log);
    text(log, 'one\n');
    text(log, 'two\n');
    expect(String(await first.failed)).to.contain('no outlet any more');
    await log.close();
    await second.ended;
    expect(second.notebook.told).to.deep.equal(['one', 'two']);
    expect(fs.readFileSync(join(folder, fs.readdirSync(folder)[0]!, 'lines'), 'utf8')).to.equal('one\ntwo\n');
  }));

  it('is told when the files hold less than was written, and does not wait for ever', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { tailBytesMax: 0 });
    text(log, 'one\n'.repeat(1000));
    await log.close();
    fs.truncateSync(join(folder, fs.readdirSync(folder)[0]!, 'lines'), 0);
    expect(String(await watch(log).failed)).to.contain('less than was written');
  }));

  it('that is full is given one item at most beyond that, and costs no memory', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { tailBytesMax: 1000 });
    let full = true;
    const { watcher, notebook, ended } = watch(log, new Notebook(() => full));
    for (let i = 0; i < 1000; i++) text(log, `line ${i} ${'x'.repeat(100)}\n`);
    await log.close();
    expect(notebook.told).to.have.length(0);
    full = false;
    watcher.wake();
    await ended;
    expect(notebook.told.map((line) => line.split(' ')[1])).to.deep.equal(Array.from({ length: 1000 }, (_, i) => String(i)));
  }));

  it('may be woken from within its outlet', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const notebook = new Notebook();
    const seat = { watcher: undefined as Watcher | undefined };
    const plain = notebook.frames.bind(notebook);
    notebook.frames = (frames) => { plain(frames); seat.watcher?.wake(); };
    text(log, 'one\n');
    text(log, 'two\n');
    const made = watch(log, notebook);
    seat.watcher = made.watcher;
    text(log, 'three\n');
    await log.close();
    await made.ended;
    expect(notebook.told).to.deep.equal(['one', 'two', 'three']);
  }));

  it('of a terminal that wants lines gets them cut at the bound, and needs no more memory than that', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw', { lineBytesMax: 1000, owedBytesMax: 1 << 30 });
    const seen = { lines: 0, longest: 0 };
    const outlet = { full: false, event() {}, frames: (frames: Buffer) => new Notebook().frames(frames) };
    const notebook = new Notebook();
    outlet.frames = (frames) => {
      notebook.told.length = 0;
      notebook.frames(frames);
      seen.lines += notebook.told.length;
      seen.longest = Math.max(seen.longest, ...notebook.told.map((line) => Buffer.byteLength(line)));
    };
    const ended = deferred<void>();
    new Watcher(log, outlet, { shape: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
    for (let i = 0; i < 320; i++) log.write('stdout', Buffer.from('€'.repeat(10_000)));
    await log.close();
    await ended.promise;
    expect(seen).to.deep.equal({ lines: Math.ceil(9_600_000 / 999), longest: 999 });
    expect(log.position.line).to.equal(seen.lines);
  }));

  it('of a terminal is given the mark at the beginning of its output, which is no mark of ours', () => inFolder(async (folder) => {
    const log = newLog(folder, 'raw');
    const { notebook, ended } = watch(log);
    log.write('stdout', Buffer.from([0xef, 0xbb]));
    log.write('stdout', Buffer.from([0xbf, 0x61, 0xe2, 0x82]));
    await log.close();
    await ended;
    expect(notebook.told.join('')).to.equal('\ufeffa\ufffd');
  }));
});

describe('a log', () => {
  it('is full while the disk is too far behind, and tells when it has caught up', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { owedBytesMax: 1 << 16 });
    const disk = await holdDisk(folder);
    await log.drained();
    for (let i = 0; !log.full; i++) text(log, 'x'.repeat(999) + '\n');
    let drained = false;
    const waiting = log.drained().then(() => { drained = true; });
    await new Promise((resolve) => setImmediate(resolve));
    expect([drained, log.full]).to.deep.equal([false, true]);
    await disk.letGo();
    await waiting;
    expect(log.full).to.equal(false);
    await log.close();
    expect(fs.statSync(join(folder, fs.readdirSync(folder)[0]!, 'lines')).size).to.equal(log.written.byte);
  }));

  it('counts what single short lines cost while the disk is behind', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { owedBytesMax: 1 << 20 });
    const disk = await holdDisk(folder);
    let lines = 0;
    for (; !log.full; lines++) text(log, 'x\n');
    expect(lines).to.be.below(4000);
    await disk.letGo();
    await log.close();
  }));

  it('keeps few bytes of large events in memory', () => inFolder(async (folder) => {
    const log = newLog(folder, 'lines', { tailBytesMax: 100_000 });
    for (let i = 0; i < 200; i++) {
      for (let j = 0; j < 10; j++) log.emit('large', { text: 'x'.repeat(30_000) });
      await until('it is written', () => log.written === log.position);
    }
    expect(log.tail.start!.eventByte).to.be.above(log.position.eventByte - 200_000);
    await log.close();
  }));

  it('stores what is open when it is closed, and nothing that comes later', () => inFolder(async (folder) => {
    const log = newLog(folder);
    text(log, 'out');
    log.write('stderr', Buffer.from('err'));
    await Promise.all([log.close(), log.close()]);
    text(log, 'late\n');
    const run = join(folder, fs.readdirSync(folder)[0]!);
    expect(fs.readFileSync(join(run, 'lines'), 'utf8')).to.equal('out\nerr\n');
    const events = fs.readFileSync(join(run, 'events'), 'utf8').trim().split('\n').map((line) => JSON.parse(line) as unknown);
    expect(events).to.deep.equal([
      { seq: 1, at: 1, type: 'unterminated' }, { seq: 2, at: 1, type: 'stream', stream: 'stderr' }, { seq: 3, at: 2, type: 'unterminated' },
    ]);
  }));

  it('cuts an event down that a page could not hold, its type too', () => inFolder(async (folder) => {
    const log = newLog(folder);
    const { notebook, ended } = watch(log);
    log.emit('t'.repeat(100_000), { text: 'x'.repeat(100_000) });
    await log.close();
    await ended;
    expect(notebook.told[0]).to.equal(`#${'t'.repeat(256)} 1`);
  }));
});
