// Tests watchers of a log, and a log whose disk is slow.

import fs from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { OutputEntry } from '../../../server/runs/log/entry.ts';
import type { RunLog } from '../../../server/runs/log/log.ts';
import { Watcher, type WatcherOptions } from '../../../server/runs/views/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import {
  blockDisk,
  countOpenFiles,
  newLog,
  RecordingSink,
  readEntryLines,
  withTempFolder,
} from '../../helpers/runs/test-log.ts';
import { waitUntil } from '../../helpers/wait-until.ts';

function watch(log: RunLog, recorder = new RecordingSink(), options: Partial<WatcherOptions> = {}) {
  const ended = deferred<void>();
  const failed = deferred<unknown>();
  const watcher = new Watcher(log, recorder, {
    format: log.format,
    onEnd: () => ended.resolve(),
    onError: failed.resolve,
    ...options,
  });
  watcher.wake();
  return { watcher, recorder, ended: ended.promise, failed: failed.promise };
}

const text = (log: RunLog, what: string) => log.write('stdout', Buffer.from(what));

describe('a watcher', () => {
  it('a watcher receives lines before they are on disk', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const { recorder } = watch(log);
      const disk = await blockDisk(folder);
      text(log, 'at once\n');
      expect(recorder.received).to.deep.equal(['at once']);
      await disk.unblock();
      await log.close();
    }));

  it('an ended log can be watched again and again, and leaves no file open', () =>
    withTempFolder(async (folder) => {
      const before = countOpenFiles();
      const log = newLog(folder);
      text(log, 'one\ntwo');
      await log.close();
      await waitUntil('the files of the log are closed', () => countOpenFiles() === before);
      for (let i = 0; i < 3; i++) {
        const { recorder, ended } = watch(log);
        await ended;
        expect(recorder.received).to.deep.equal(['one', 'two', '#unterminated 1']);
        await waitUntil('the files of the log are closed again', () => countOpenFiles() === before);
      }
    }));

  it('a stopped watcher receives nothing more, not even a read error', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { tailBytesMax: 0 });
      text(log, 'one\n');
      await log.close();
      const received: unknown[] = [];
      const { watcher, recorder } = watch(log, new RecordingSink(), {
        onEnd: () => received.push('end'),
        onError: (error) => received.push(error),
      });
      const disk = await blockDisk(folder);
      watcher.stop();
      watcher.stop();
      await disk.unblock();
      const { ended } = watch(log);
      await ended;
      expect([...received, ...recorder.received]).to.deep.equal([]);
    }));

  it('a watcher whose sink throws reports the error and affects neither the log nor other watchers', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const broken = new RecordingSink();
      broken.output = () => {
        throw new Error('the sink is gone');
      };
      const first = watch(log, broken);
      const second = watch(log);
      text(log, 'one\n');
      text(log, 'two\n');
      expect(String(await first.failed)).to.contain('the sink is gone');
      await log.close();
      await second.ended;
      expect(second.recorder.received).to.deep.equal(['one', 'two']);
      expect(fs.readFileSync(join(folder, fs.readdirSync(folder)[0]!, 'lines'), 'utf8')).to.equal('one\ntwo\n');
    }));

  it('a watcher fails if the files hold less than was written, and does not wait forever', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { tailBytesMax: 0 });
      text(log, 'one\n'.repeat(1000));
      await log.close();
      fs.truncateSync(join(folder, fs.readdirSync(folder)[0]!, 'lines'), 0);
      expect(String(await watch(log).failed)).to.contain('less than was written');
    }));

  it('a watcher delivers nothing to a full sink, and everything when the sink accepts again', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { tailBytesMax: 1000 });
      let full = true;
      const { watcher, recorder, ended } = watch(log, new RecordingSink(() => full));
      for (let i = 0; i < 1000; i++) text(log, `line ${i} ${'x'.repeat(100)}\n`);
      await log.close();
      expect(recorder.received).to.have.length(0);
      full = false;
      watcher.wake();
      await ended;
      expect(recorder.received.map((line) => line.split(' ')[1])).to.deep.equal(
        Array.from({ length: 1000 }, (_, i) => String(i)),
      );
    }));

  it('a watcher may be woken by its own sink', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const recorder = new RecordingSink();
      const target = { watcher: undefined as Watcher | undefined };
      const plain = recorder.output.bind(recorder);
      recorder.output = (entry) => {
        plain(entry);
        target.watcher?.wake();
      };
      text(log, 'one\n');
      text(log, 'two\n');
      const started = watch(log, recorder);
      target.watcher = started.watcher;
      text(log, 'three\n');
      await log.close();
      await started.ended;
      expect(recorder.received).to.deep.equal(['one', 'two', 'three']);
    }));

  it("a watcher of a terminal's lines receives lines that are cut at the limit", () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw', { lineBytesMax: 1000, pendingWriteBytesMax: 1 << 30 });
      const seen = { lines: 0, longest: 0 };
      const sink = {
        full: false,
        event() {},
        output: (entry: OutputEntry) => {
          const lines = readEntryLines(entry);
          seen.lines += lines.length;
          seen.longest = Math.max(seen.longest, ...lines.map((line) => Buffer.byteLength(line)));
        },
      };
      const ended = deferred<void>();
      new Watcher(log, sink, { format: 'lines', onEnd: ended.resolve, onError: ended.reject }).wake();
      for (let i = 0; i < 320; i++) log.write('stdout', Buffer.from('€'.repeat(10_000)));
      await log.close();
      await ended.promise;
      expect(seen).to.deep.equal({ lines: Math.ceil(9_600_000 / 999), longest: 999 });
      expect(log.position.line).to.equal(seen.lines);
    }));

  it('a watcher of a terminal receives a byte-order mark at the beginning of its output', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'raw');
      const { recorder, ended } = watch(log);
      log.write('stdout', Buffer.from([0xef, 0xbb]));
      log.write('stdout', Buffer.from([0xbf, 0x61, 0xe2, 0x82]));
      await log.close();
      await ended;
      expect(recorder.received.join('')).to.equal('\ufeffa\ufffd');
    }));
});

describe('a log', () => {
  it('a log is full while the disk is too far behind, and drained resolves when the disk has caught up', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { pendingWriteBytesMax: 1 << 16 });
      const disk = await blockDisk(folder);
      await log.drained();
      while (!log.full) text(log, `${'x'.repeat(999)}\n`);
      let drained = false;
      const waiting = log.drained().then(() => {
        drained = true;
      });
      await new Promise((resolve) => setImmediate(resolve));
      expect([drained, log.full]).to.deep.equal([false, true]);
      await disk.unblock();
      await waiting;
      expect(log.full).to.equal(false);
      await log.close();
      expect(fs.statSync(join(folder, fs.readdirSync(folder)[0]!, 'lines')).size).to.equal(log.written.byte);
    }));

  it('a log counts the memory overhead of short lines while the disk is behind', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { pendingWriteBytesMax: 1 << 20 });
      const disk = await blockDisk(folder);
      let lines = 0;
      for (; !log.full; lines++) text(log, 'x\n');
      expect(lines).to.be.below(4000);
      await disk.unblock();
      await log.close();
    }));

  it('a log keeps few bytes of large events in memory', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder, 'lines', { tailBytesMax: 100_000 });
      for (let i = 0; i < 40; i++) {
        for (let j = 0; j < 10; j++) log.emit('large', { text: 'x'.repeat(30_000) });
        await waitUntil('the output is written', () => log.written === log.position);
      }
      expect(log.tail.start!.eventByte).to.be.above(log.position.eventByte - 200_000);
      await log.close();
    }));

  it('a log stores partial lines when it is closed and ignores later output', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      text(log, 'out');
      log.write('stderr', Buffer.from('err'));
      await Promise.all([log.close(), log.close()]);
      text(log, 'late\n');
      const run = join(folder, fs.readdirSync(folder)[0]!);
      expect(fs.readFileSync(join(run, 'lines'), 'utf8')).to.equal('out\nerr\n');
      const events = fs
        .readFileSync(join(run, 'events'), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown);
      expect(events).to.deep.equal([
        { seq: 1, at: 1, type: 'unterminated' },
        { seq: 2, at: 1, type: 'stream', stream: 'stderr' },
        { seq: 3, at: 2, type: 'unterminated' },
      ]);
    }));

  it('a log shortens an event that is too large for a page, and a long event type', () =>
    withTempFolder(async (folder) => {
      const log = newLog(folder);
      const { recorder, ended } = watch(log);
      log.emit('t'.repeat(100_000), { text: 'x'.repeat(100_000) });
      await log.close();
      await ended;
      expect(recorder.received[0]).to.equal(`#${'t'.repeat(256)} 1`);
    }));
});
