import { expect } from 'chai';
import fs from 'node:fs';
import { join } from 'node:path';
import { giveBack, lend } from '../../../server/runs/log/pool.ts';
import { Watcher } from '../../../server/runs/watcher.ts';
import { deferred } from '../../../server/support/deferred.ts';
import { chance, expectSame, holdDisk, inFolder, newLog, Notebook } from '../kit.ts';

const bulk = 64 << 10;

describe('memory that is used again', () => {
  it('is lent to one at a time, and comes back by the view that was lent alone', () => {
    const first = lend(bulk);
    const part = first.subarray(1);
    giveBack(part);
    giveBack(Buffer.alloc(bulk));
    const second = lend(bulk);
    expect(second.buffer).not.to.equal(first.buffer);
    giveBack(first);
    giveBack(first);
    const [third, fourth] = [lend(bulk), lend(bulk)];
    expect(third.buffer).to.equal(first.buffer);
    expect(fourth.buffer).not.to.equal(first.buffer);
    for (const view of [second, third, fourth]) giveBack(view);
  });

  it('is as long as was asked for, whatever that is', () => {
    for (const bytes of [0, 1, 100, 8 << 10, bulk, 80 << 10, (80 << 10) + 1, 1 << 20]) expect(lend(bytes)).to.have.length(bytes);
  });

  it('never changes under a log, its disk, or a watcher', () => inFolder(async (folder) => {
    for (let seed = 0; seed < 4; seed++) {
      const rnd = chance(seed);
      const log = newLog(folder, 'lines', { tailBytesMax: 200_000, owedBytesMax: 1 << 30 });
      const watchers = Array.from({ length: 4 }, (_, i) => watch(log, i));
      // As a process engine does it: one buffer again and again.
      const room = Buffer.alloc(bulk);
      const expected: string[] = [];
      let [text, disk] = ['', undefined as Awaited<ReturnType<typeof holdDisk>> | undefined];
      for (let i = 0; i < 120; i++) {
        if (rnd(12) === 0) {
          await disk?.letGo();
          disk = disk === undefined ? await holdDisk(folder) : undefined;
        }
        while (text.length < bulk) {
          const line = `${expected.length} ${'abcdefghijklmnopqrstuvwxyz'[rnd(26)]!.repeat(rnd(300))}`;
          expected.push(line);
          text += `${line}\n`;
        }
        const bytes = rnd(3) === 0 ? 1 + rnd(bulk) : bulk;
        room.write(text.slice(0, bytes), 'latin1');
        text = text.slice(bytes);
        log.write('stdout', room.subarray(0, bytes));
        for (const { wake } of watchers) wake(rnd(4));
        if (rnd(3) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      log.write('stdout', Buffer.from(text));
      await disk?.letGo();
      await log.close();
      for (const { wake } of watchers) wake(Infinity);
      for (const { notebook, ended } of watchers) {
        await ended;
        expectSame(notebook.told, expected, `seed ${seed}`);
      }
      const stored = fs.readFileSync(join(folder, fs.readdirSync(folder).find((name) => name.startsWith('log-'))!, 'lines'), 'latin1');
      expectSame(stored.split('\n').slice(0, -1), expected, `stored, seed ${seed}`);
      for (const name of fs.readdirSync(folder)) fs.rmSync(join(folder, name), { recursive: true });
    }
  }));
});

/** Every second watcher keeps the frames it is given, and looks at them when all is over. */
function watch(log: ReturnType<typeof newLog>, number: number) {
  const keeps = number % 2 === 1;
  const kept: Buffer[] = [];
  let room = 0;
  const notebook = new Notebook();
  const ended = deferred<void>();
  const outlet = {
    get full() { return room <= 0; },
    frames(frames: Buffer): 'done' | undefined {
      room--;
      if (keeps) return void kept.push(frames);
      notebook.frames(frames);
      return 'done';
    },
    event() {},
  };
  const onEnd = (): void => {
    for (const frames of kept) notebook.frames(frames);
    ended.resolve();
  };
  const watcher = new Watcher(log, outlet, { shape: 'lines', onEnd, onError: ended.reject });
  return { notebook, ended: ended.promise, wake: (more: number) => { room = Math.max(room, 0) + more; watcher.wake(); } };
}
