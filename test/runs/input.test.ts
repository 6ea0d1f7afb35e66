// Tests the input of a run: its order, its limit, its credit, and the lease.

import { expect } from 'chai';
import { RunInput } from '../../server/runs/input/run-input.ts';
import { seededRandom } from '../helpers/runs/test-log.ts';
import { seeds } from '../helpers/seeded-random.ts';

async function all(input: RunInput): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  for await (const bytes of input) taken.push(bytes);
  return Buffer.concat(taken);
}

function filled(bytesMax: number, ...texts: string[]): { input: RunInput; taken: number[] } {
  const input = new RunInput(bytesMax);
  const taken: number[] = [];
  input.acquire({ taken: (total) => taken.push(total) });
  for (const text of texts) expect(input.push(Buffer.from(text))).to.equal(true);
  return { input, taken };
}

describe('the input of a run', () => {
  it('input arrives in order and ends, including bytes that were queued before the first read', async () => {
    const { input } = filled(100, 'one ', 'two ');
    const read = all(input);
    await new Promise((resolve) => setImmediate(resolve));
    input.push(Buffer.from('three'));
    input.end();
    input.end();
    expect(String(await read)).to.equal('one two three');
    expect(input.push(Buffer.from('late'))).to.equal(true);
  });

  it('input beyond the limit is rejected while the work reads', async () => {
    const { input } = filled(10);
    const reading = input[Symbol.asyncIterator]();
    const first = reading.next();
    expect(input.push(Buffer.alloc(10))).to.equal(true);
    expect(input.push(Buffer.alloc(1))).to.equal(false);
    expect((await first).value).to.have.length(10);
    expect(input.push(Buffer.alloc(10))).to.equal(true);
  });

  it('input that the work never reads is dropped and credited to the client', () => {
    const { input, taken } = filled(10, 'x'.repeat(10), 'y'.repeat(5), 'z');
    expect(taken).to.deep.equal([5, 6]);
    input.discard();
    expect(taken.at(-1)).to.equal(16);
    expect(input.push(Buffer.from('more'))).to.equal(true);
    expect(taken.at(-1)).to.equal(20);
  });

  it('the loss of input is reported once, at the first read, and the remaining input is dropped', async () => {
    const { input } = filled(10, 'x'.repeat(10), 'y');
    let overflows = 0;
    input.acquire({
      overflowed: () => {
        overflows += 1;
      },
    });
    expect(await all(input)).to.have.length(0);
    expect(await all(input)).to.have.length(0);
    expect(overflows).to.equal(1);
  });

  it('each byte of input is credited once, when it is taken or dropped', async () => {
    const { input, taken } = filled(1000, 'one', 'two');
    for await (const bytes of input) {
      input.taken(bytes.length);
      input.push(Buffer.from('three'));
      input.discard();
      input.discard();
    }
    expect(taken).to.deep.equal([6, 11]);
  });

  it('a new holder of the input lease supersedes the previous one, whose later bytes are dropped', async () => {
    const input = new RunInput(100);
    const calls: string[] = [];
    const listener = (name: string) => ({
      taken: (total: number) => calls.push(`${name} ${total}`),
      superseded: () => calls.push(`${name} lost`),
    });
    const first = input.acquire(listener('first'));
    expect(first.push(Buffer.from('one '))).to.equal(true);
    const second = input.acquire(listener('second'));
    expect(first.push(Buffer.from('dropped'))).to.equal(true);
    first.end();
    first.release();
    expect(second.push(Buffer.from('two'))).to.equal(true);
    expect([second.received, second.taken]).to.deep.equal([7, 0]);
    second.end();
    expect(String(await all(input))).to.equal('one two');
    input.taken(7);
    expect([first.received, first.taken, second.taken]).to.deep.equal([7, 7, 7]);
    expect(calls).to.deep.equal(['first lost', 'second 7']);
  });

  it('the input lease can be acquired again, and has no holder after its release', () => {
    const input = new RunInput(100);
    const calls: string[] = [];
    const listener = { taken: (total: number) => calls.push(`taken ${total}`), superseded: () => calls.push('lost') };
    const first = input.acquire(listener);
    const again = input.acquire(listener);
    first.push(Buffer.from('not this'));
    again.push(Buffer.from('but this'));
    expect(again.received).to.equal(8);
    again.release();
    again.release();
    input.discard();
    again.push(Buffer.from('not this'));
    expect([again.received, again.taken]).to.deep.equal([8, 8]);
    expect(calls).to.deep.equal(['lost']);
  });

  it('input in half a million one-byte pieces needs little memory', () => {
    const input = new RunInput(1 << 20);
    const before = process.memoryUsage();
    for (let i = 0; i < 500_000; i++) input.push(Buffer.from('\n'));
    const after = process.memoryUsage();
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).to.be.below(60 << 20);
  });

  it('input arrives complete, whatever the size and timing of its pieces', async () => {
    for (const seed of seeds(50)) {
      const random = seededRandom(seed);
      const pieces = Array.from({ length: random(2000) }, (_, i) =>
        Buffer.alloc(1 + random(random(20) === 0 ? 70_000 : 20), i),
      );
      const input = new RunInput(1 << 30);
      const read = all(input);
      for (const piece of pieces) {
        input.push(piece);
        if (random(300) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      input.end();
      expect((await read).equals(Buffer.concat(pieces)), `seed ${seed}`).to.equal(true);
    }
  });
});
