import { expect } from 'chai';
import { RunInput } from '../../server/runs/input.ts';
import { chance } from './kit.ts';

async function all(input: RunInput): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  for await (const bytes of input) taken.push(bytes);
  return Buffer.concat(taken);
}

function filled(bytesMax: number, ...texts: string[]): { input: RunInput; taken: number[] } {
  const input = new RunInput(bytesMax);
  const taken: number[] = [];
  input.hold({ taken: (total) => taken.push(total) });
  for (const text of texts) expect(input.push(Buffer.from(text))).to.equal(true);
  return { input, taken };
}

describe('input of a run', () => {
  it('comes in order, what was queued before it was asked for too, and ends', async () => {
    const { input } = filled(100, 'one ', 'two ');
    const read = all(input);
    await new Promise((resolve) => setImmediate(resolve));
    input.push(Buffer.from('three'));
    input.end();
    input.end();
    expect(String(await read)).to.equal('one two three');
    expect(input.push(Buffer.from('late'))).to.equal(true);
  });

  it('that is more than the bound is refused while somebody reads', async () => {
    const { input } = filled(10);
    const reading = input[Symbol.asyncIterator]();
    const first = reading.next();
    expect(input.push(Buffer.alloc(10))).to.equal(true);
    expect(input.push(Buffer.alloc(1))).to.equal(false);
    expect((await first).value).to.have.length(10);
    expect(input.push(Buffer.alloc(10))).to.equal(true);
  });

  it('that nobody asks for is dropped and credited', () => {
    const { input, taken } = filled(10, 'x'.repeat(10), 'y'.repeat(5), 'z');
    expect(taken).to.deep.equal([5, 6]);
    input.discard();
    expect(taken.at(-1)).to.equal(16);
    expect(input.push(Buffer.from('more'))).to.equal(true);
    expect(taken.at(-1)).to.equal(20);
  });

  it('that was lost before somebody asked is told then, once, and none of it is handed over', async () => {
    const { input } = filled(10, 'x'.repeat(10), 'y');
    let overflows = 0;
    input.hold({ overflow: () => { overflows += 1; } });
    expect(await all(input)).to.have.length(0);
    expect(await all(input)).to.have.length(0);
    expect(overflows).to.equal(1);
  });

  it('is credited when it is passed on or dropped, each byte once', async () => {
    const { input, taken } = filled(1000, 'one', 'two');
    for await (const bytes of input) {
      input.taken(bytes.length);
      input.push(Buffer.from('three'));
      input.discard();
      input.discard();
    }
    expect(taken).to.deep.equal([6, 11]);
  });

  it('is held by one at a time: the earlier one hears that it is not its own any more, and what it still sends is dropped', async () => {
    const input = new RunInput(100);
    const said: string[] = [];
    const feeder = (name: string) => ({ taken: (total: number) => said.push(`${name} ${total}`), lost: () => said.push(`${name} lost`) });
    const first = input.hold(feeder('first'));
    expect(first.push(Buffer.from('one '))).to.equal(true);
    const second = input.hold(feeder('second'));
    expect(first.push(Buffer.from('dropped'))).to.equal(true);
    first.end();
    first.release();
    expect(second.push(Buffer.from('two'))).to.equal(true);
    expect([second.received, second.taken]).to.deep.equal([7, 0]);
    second.end();
    expect(String(await all(input))).to.equal('one two');
    input.taken(7);
    expect([first.received, first.taken, second.taken]).to.deep.equal([7, 7, 7]);
    expect(said).to.deep.equal(['first lost', 'second 7']);
  });

  it('is held anew by whoever asks again, and by nobody who has let go', () => {
    const input = new RunInput(100);
    const said: string[] = [];
    const feeder = { taken: (total: number) => said.push(`taken ${total}`), lost: () => said.push('lost') };
    const first = input.hold(feeder);
    const again = input.hold(feeder);
    first.push(Buffer.from('not this'));
    again.push(Buffer.from('but this'));
    expect(again.received).to.equal(8);
    again.release();
    again.release();
    input.discard();
    again.push(Buffer.from('not this'));
    expect([again.received, again.taken]).to.deep.equal([8, 8]);
    expect(said).to.deep.equal(['lost']);
  });

  it('in a million small pieces costs about its bytes', () => {
    const input = new RunInput(1 << 20);
    const before = process.memoryUsage();
    for (let i = 0; i < 500_000; i++) input.push(Buffer.from('\n'));
    const after = process.memoryUsage();
    expect(after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers).to.be.below(60 << 20);
  });

  it('arrives whole, whatever the pieces and the pace', async () => {
    for (let seed = 0; seed < 50; seed++) {
      const rnd = chance(seed);
      const pieces = Array.from({ length: rnd(2000) }, (_, i) => Buffer.alloc(1 + rnd(rnd(20) === 0 ? 70_000 : 20), i));
      const input = new RunInput(1 << 30);
      const read = all(input);
      for (const piece of pieces) {
        input.push(piece);
        if (rnd(300) === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      input.end();
      expect((await read).equals(Buffer.concat(pieces)), `seed ${seed}`).to.equal(true);
    }
  });
});
